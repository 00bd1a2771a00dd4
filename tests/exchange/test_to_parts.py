"""Any model of ours, each part in the format that parts are published in."""

import json
from pathlib import Path

import pytest

from tests.exchange.made import (
    assert_same_weights,
    files_of,
    largest_difference,
    make,
    many_prompts,
    said_by,
)
from vlm.exchange.to_parts import beside, write_parts
from vlm.study.named import open_named

SILENT = ["evaluation=none", "tracking=none"]


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("twin=true", "encoder=clip336_dinov2", "llm=qwen25_05b", "projector=c_abstractor"),
        ("twin=true", "encoder=clip336_s2", "llm=gemma2_2b", "projector=resampler64"),
        ("twin=true", "encoder=siglip384", "llm=mistral7b", "image@stage.image=anyres"),
        ("twin=true", "encoder=open_clip", "encoder.architecture=RN50", "encoder.checkpoint=openai"),
    ],
    ids=lambda words: " ".join(words),
)
def test_any_model_comes_back(words: tuple[str, ...], tmp_path: Path) -> None:
    model, config, transform = make(*words)
    folder = tmp_path / "moved/anywhere"
    folder.mkdir(parents=True)
    write_parts(model, config, {"identity": {"after": "0123"}}, folder, shard_size=200_000)
    named = open_named(str(folder), None, SILENT)
    again = named.load()
    assert_same_weights(model, again)
    prompts = many_prompts(3)
    mine, theirs = said_by(model, transform, prompts), said_by(again, transform, prompts)
    assert largest_difference(mine, theirs) == 0
    assert [one.answer for one in mine] == [one.answer for one in theirs]


def test_each_part_is_one_of_a_sentence(tmp_path: Path) -> None:
    model, config, _ = make()
    write_parts(model, config, {"identity": {}}, tmp_path)
    assert files_of(tmp_path) == {
        "config.yaml", "manifest.json", "projector/projector.safetensors", "encoder/open_clip_config.json",
        "encoder/open_clip_model.safetensors", "llm/config.json", "llm/model.safetensors",
        "llm/tokenizer.json", "llm/tokenizer_config.json",
    }  # fmt: skip
    parts = [f"{part}.weights={tmp_path}/{part}" for part in ("encoder", "projector", "llm")]
    again, _, _ = make(*parts)
    assert_same_weights(model, again)
    assert json.loads((tmp_path / "manifest.json").read_text()) == {"identity": {"after": None}}
    assert "paths" not in (tmp_path / "config.yaml").read_text()


def test_paths_beside_a_config_follow_it() -> None:
    node = {"weights": "./llm", "inner": [{"weights": "./a/b"}, "../c"], "rate": 1.0}
    expected = {"weights": "/x/llm", "inner": [{"weights": "/x/a/b"}, "../c"], "rate": 1.0}
    assert beside(node, Path("/x")) == expected
