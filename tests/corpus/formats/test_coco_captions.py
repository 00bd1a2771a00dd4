"""COCO's captions, with a brief question."""

from collections.abc import Callable
from typing import Any

from vlm.corpus.formats.coco_captions import Options, convert
from vlm.corpus.formats.prompts import BRIEF

Write = Callable[[str, Any], str]

ROWS = [
    {"image_id": image, "id": 100 * image + number, "caption": f"Caption {number} of {image}.\n"}
    for number in (2, 0, 1)
    for image in range(1, 31)
]


def records(write: Write, rows: list[Any], **others: Any) -> list[dict[str, Any]]:
    return list(convert(Options(write("captions.json", {"images": [], "annotations": rows}), **others)))


def asked(made: list[dict[str, Any]]) -> list[str]:
    return [record["conversations"][0]["value"].removeprefix("<image>\n") for record in made]


def test_one_record_for_each_picture(write: Write) -> None:
    made = records(write, ROWS)
    assert len(made) == 30
    for image, (record, question) in enumerate(zip(made, asked(made), strict=True), 1):
        assert question in BRIEF
        assert record == {
            "id": f"{image:012d}",
            "image": f"coco/train2017/{image:012d}.jpg",
            "conversations": [
                {"from": "human", "value": f"<image>\n{question}"},
                {"from": "gpt", "value": f"Caption 0 of {image}."},
            ],
        }
    assert len(set(asked(made))) > 5


def test_one_record_for_each_caption(write: Write) -> None:
    made = records(write, ROWS, each=True)
    said = [record["conversations"][1]["value"] for record in made]
    assert said == [f"Caption {number} of {image}." for image in range(1, 31) for number in range(3)]
    assert any(len(set(asked(made)[start : start + 3])) == 3 for start in range(0, 90, 3))


def test_the_draw_depends_on_seed_and_picture_only(write: Write) -> None:
    made = records(write, ROWS, each=True)
    turned = records(write, ROWS[::-1], each=True)
    assert sorted(turned, key=lambda record: record["id"]) == made
    assert asked(records(write, ROWS, each=True, seed=2)) != asked(made)
