"""POPE's labelled questions as training data: yes and no."""

import json
from pathlib import Path
from typing import Any

import pytest

from vlm.corpus.formats.pope import Options, convert

SHORT = "Answer the question using a single word or phrase."


def lines(path: Path, *rows: Any) -> str:
    path.write_text("\n".join(map(json.dumps, rows)))
    return str(path)


def row(thing: str, label: str, **more: Any) -> dict[str, Any]:
    text = f"Is there a {thing} in the image?"
    return {"question_id": 1, "image": "one.jpg", "text": text, "label": label} | more


def test_questions_of_a_picture_are_one_conversation_each_asked_once(tmp_path: Path) -> None:
    first = lines(tmp_path / "random.json", row("cat", "yes"), row("dog", "no"))
    second = lines(
        tmp_path / "popular.json", row("cat", "yes"), row("bus", "no"), row("cow", "no", file="b/2.png")
    )
    assert list(convert(Options(f"{first},{second}", prefix="p"))) == [
        {
            "id": "one",
            "image": "p/one.jpg",
            "conversations": [
                {"from": "human", "value": f"<image>\nIs there a cat in the image?\n{SHORT}"},
                {"from": "gpt", "value": "Yes"},
                {"from": "human", "value": "Is there a dog in the image?"},
                {"from": "gpt", "value": "No"},
                {"from": "human", "value": "Is there a bus in the image?"},
                {"from": "gpt", "value": "No"},
            ],
        },
        {
            "id": "2",
            "image": "p/b/2.png",
            "conversations": [
                {"from": "human", "value": f"<image>\nIs there a cow in the image?\n{SHORT}"},
                {"from": "gpt", "value": "No"},
            ],
        },
    ]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([row("cat", "maybe")], "row 0: label must be yes or no, got 'maybe'; mend or drop it"),
        ([row("cat", "no"), {"image": "a", "label": "no"}], "row 1 has no text; mend or drop it"),
        (
            [row("cat", "yes"), row("cat", "no")],
            "'Is there a cat in the image.' about one.jpg is both yes and no",
        ),
    ],
)
def test_a_faulty_label_is_named(rows: list[Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"questions=.*q.json: {message}"):
        list(convert(Options(lines(tmp_path / "q.json", *rows))))
