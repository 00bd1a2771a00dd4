"""Chats as LLaVA, OpenAI and ShareGPT write them, and img2dataset's tars as they are."""

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.conftest import SHARED
from vlm.cli import main
from vlm.corpus.formats import find_format, format_names
from vlm.data.index import write_index
from vlm.data.locate import find_shards
from vlm.data.sample import Turn
from vlm.data.shards import ShardSource


def words(text: str) -> dict[str, str]:
    return {"type": "text", "text": text}


def convert(format: str, tmp_path: Path, content: Any, *words: str) -> list[Any]:
    (tmp_path / "file.json").write_text(json.dumps(content))
    return list(find_format(format).read([f"json={tmp_path}/file.json", *words]))


def test_messages_become_turns_with_pictures_in_their_places(tmp_path: Path) -> None:
    picture = {"type": "image_url", "image_url": {"url": "http://x/a.jpg"}}
    chat = [
        {"role": "system", "content": "Be good."},
        {
            "role": "user",
            "content": [{"type": "text", "text": "See "}, picture, {"type": "text", "text": "!"}],
        },
        {"role": "assistant", "content": "Yes."},
    ]
    [record] = convert("messages", tmp_path, [{"messages": chat}], "strip=http://x/")
    assert record == {
        "id": "0",
        "image": ["a.jpg"],
        "conversations": [{"from": "human", "value": "See <image>!"}, {"from": "gpt", "value": "Yes."}],
    }


@pytest.mark.parametrize(
    "messages",
    ["no list", [{"role": "robot", "content": "x"}], [{"role": "user", "content": [{"type": "audio"}]}]],
)
def test_what_is_no_chat_is_named(messages: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"json=.*file.json: item 0 is no chat"):
        convert("messages", tmp_path, [{"messages": messages}])


def test_sharegpt_is_cleaned_as_vicunas_was(tmp_path: Path) -> None:
    def chat(*turns: tuple[str, str]) -> dict[str, Any]:
        return {"id": "x", "conversations": [{"from": speaker, "value": text} for speaker, text in turns]}

    good = ("human", "Hi"), ("gpt", "Hello")
    made = convert("sharegpt", tmp_path, [
        chat(("system", "Be good."), *good),
        chat(("gpt", "Welcome"), ("user", "Hi"), ("chatgpt", "Hello"), ("user", "unanswered")),
        chat(("human", "Hi"), ("human", "Hi?"), ("gpt", "Hello")),
        chat(("human", "Hi"), ("gpt", "  ")),
        chat(),
    ])  # fmt: skip
    expected = {"id": "x", "conversations": [{"from": s, "value": t} for s, t in good]}
    assert made == [expected, expected]


def test_img2datasets_tars_are_read_as_they_are(tmp_path: Path) -> None:
    picture = io.BytesIO()
    Image.new("RGB", (8, 8)).save(picture, "JPEG")
    with tarfile.open(tmp_path / "00000.tar", "w") as tar:
        for key, caption in (("000000000", "a cat\n"), ("000000001", "two dogs")):
            about = json.dumps({"caption": caption, "url": "http://x", "status": "success"})
            files = {"jpg": picture.getvalue(), "txt": caption.encode(), "json": about.encode()}
            for extension, content in files.items():
                member = tarfile.TarInfo(f"{key}.{extension}")
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    write_index(tmp_path / "00000.tar")
    source = ShardSource("laion", find_shards("x", f"{tmp_path}/*.tar"))
    assert source[0].turns == (Turn("human", "<image>"), Turn("gpt", "a cat"))
    assert source[0].images == (picture.getvalue(),)
    assert source.sample(1, with_images=False).turns[1].text == "two dogs"


def test_every_format_says_what_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "formats"]) == 0
    printed = capsys.readouterr().out
    assert all(f"{name} " in printed for name in format_names())
    assert {"llava", "messages", "sharegpt"} <= set(format_names())
    assert main(["data", "pack", "format=none", "output=x"]) != 0
    assert "format=none is none; choose one of" in capsys.readouterr().err
    assert main(["data", "pack", "output=x"]) != 0
    assert "json= must be given" in capsys.readouterr().err


@pytest.mark.skipif(not SHARED.exists(), reason="the real chats are not here")
def test_the_same_chats_in_two_formats_are_the_same_samples(tmp_path: Path) -> None:
    chats = SHARED / "llava_instruct_10"
    for format, file, strip in (
        ("llava", "llava_instruct_10.json", ""),
        ("messages", "messages.json", "./examples/sample_json_data/images/"),
    ):
        more = [f"strip={strip}"] if strip else []
        assert main(["data", "pack", f"format={format}", f"json={chats}/{file}", f"images={chats}/images",
                     f"output={tmp_path}/{format}", *more]) == 0  # fmt: skip
    sources = [
        ShardSource(name, find_shards("x", f"{tmp_path}/{name}/*.tar")) for name in ("llava", "messages")
    ]
    for number in range(10):
        first, second = (source[number] for source in sources)
        assert first.turns == second.turns
        assert first.images == second.images
