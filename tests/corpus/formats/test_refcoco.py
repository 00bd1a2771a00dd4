"""RefCOCO: boxes and expressions in turn, in pieces."""

from collections.abc import Callable
from typing import Any

import pytest

from vlm.corpus.formats.refcoco import Options, convert

Write = Callable[[str, Any], str]

INSTANCES = {
    "images": [{"id": 7, "width": 640, "height": 480}, {"id": 5, "width": 100, "height": 200}],
    "annotations": [
        {"id": 70, "image_id": 7, "bbox": [160, 120, 320, 240]},
        {"id": 50, "image_id": 5, "bbox": [10.0, 20.0, 50.0, 100.0]},
    ],
}
BOXES = {"padded": "[0.25, 0.31, 0.75, 0.69]", "image": "[0.25, 0.25, 0.75, 0.75]"}


def ref(number: int, image: int, *said: str, split: str = "train") -> dict[str, Any]:
    sentences = [{"sent": text, "sent_id": place} for place, text in enumerate(said)]
    return {
        "ref_id": number, "image_id": image, "ann_id": 10 * image, "category_id": 1, "split": split,
        "sentences": sentences,
    }  # fmt: skip


REFS = [
    ref(1, 7, *(f"man {number}" for number in range(11))),
    ref(2, 5, "red cup"),
    ref(3, 7, *(f"boy {number}" for number in range(9))),
    ref(4, 7, "seen later", split="val"),
]


def records(write: Write, refs: list[Any], **others: Any) -> list[dict[str, Any]]:
    return list(convert(Options(write("refs.json", refs), write("instances.json", INSTANCES), **others)))


def turns(record: dict[str, Any]) -> list[tuple[str, str]]:
    said = [turn["value"] for turn in record["conversations"]]
    return list(zip(said[::2], said[1::2], strict=True))


@pytest.mark.parametrize("frame", ["padded", "image"])
def test_every_expression_is_asked_once_in_pieces_of_fewer_than_ten(write: Write, frame: str) -> None:
    made = records(write, REFS, boxes=frame)
    assert [record["id"] for record in made] == ["000000000005"] + ["000000000007"] * 3
    assert [len(turns(record)) for record in made] == [1, 9, 9, 2]
    box, both = BOXES[frame], set()
    expressions = [f"man {number}" for number in range(11)] + [f"boy {number}" for number in range(9)]
    for place, (question, answer) in enumerate(turn for record in made[1:] for turn in turns(record)):
        assert question.startswith("<image>\n") == (place % 9 == 0)
        to_words = (
            f"Please provide a short description for this region: {box}.",
            f"{expressions[place].capitalize()}.",
        )
        to_box = (
            "Please provide the bounding box coordinate of the region this sentence describes: "
            f"{expressions[place]}.",
            box,
        )
        turn = (question.removeprefix("<image>\n"), answer)
        assert turn in (to_words, to_box)
        both.add(turn == to_box)
    assert both == {True, False}


def test_a_record_to_the_letter(write: Write) -> None:
    # 100 x 200: 50 pixels on the left; ((10 + 50) / 200, 20 / 200, (60 + 50) / 200, 120 / 200)
    made = {seed: records(write, REFS[1:2], seed=seed)[0] for seed in range(20)}
    to_words = {
        "id": "000000000005",
        "image": "coco/train2017/000000000005.jpg",
        "conversations": [
            {
                "from": "human",
                "value": "<image>\nPlease provide a short description for this region: "
                "[0.3, 0.1, 0.55, 0.6].",
            },
            {"from": "gpt", "value": "Red cup."},
        ],
    }
    to_box = to_words | {
        "conversations": [
            {
                "from": "human",
                "value": "<image>\nPlease provide the bounding box coordinate of the region this sentence "
                "describes: red cup.",
            },
            {"from": "gpt", "value": "[0.3, 0.1, 0.55, 0.6]"},
        ]
    }
    assert all(record in (to_words, to_box) for record in made.values())
    assert to_words in made.values()
    assert to_box in made.values()


def test_neither_the_order_of_rows_nor_other_pictures_matter(write: Write) -> None:
    made = records(write, REFS)
    assert records(write, REFS[::-1]) == made
    assert records(write, [REFS[0], REFS[2]]) == made[1:]
    assert records(write, REFS, seed=2) != made


def test_every_picture_has_a_draw_of_its_own(write: Write) -> None:
    said = [f"man {number}" for number in range(9)]
    ways = [
        ["describes" in question for question, _ in turns(record)]
        for record in records(write, [ref(1, 5, *said), ref(2, 7, *said)])
    ]
    assert ways[0] != ways[1]


def test_several_files_are_one_dialogue(write: Write) -> None:
    refs = f"{write('a.json', REFS[:1])},{write('b.json', [ref(1, 7, 'boy 0', ' . ')])}"
    pictures, boxes = INSTANCES["images"], INSTANCES["annotations"]
    first = write("first.json", {"images": pictures[:1], "annotations": []})
    second = write("second.json", {"images": pictures[1:], "annotations": boxes})
    made = list(convert(Options(refs, f"{first},{second}")))
    assert [len(turns(record)) for record in made] == [9, 3]
    assert "oy 0." in str(turns(made[1])[-1])


def test_what_is_wrong_is_named(write: Write, tmp_path: Any) -> None:
    with pytest.raises(ValueError, match=r"^refs=.*refs.json: ref 9: image 8 or annotation 80 is not in ins"):
        records(write, [ref(9, 8, "nobody")])
    with pytest.raises(ValueError, match=r"^refs=.*refs.json: ref 9: sentences: row 0 has no sent;"):
        records(write, [ref(9, 7) | {"sentences": [{"raw": "x"}]}])
    with pytest.raises(ValueError, match=r"^boxes must be padded or image, got square$"):
        records(write, REFS, boxes="square")
    (tmp_path / "refs(unc).p").write_bytes(b"never opened")
    with pytest.raises(ValueError, match=r"^refs=.*refs\(unc\).p is a pickle, .* make it JSON: python -c"):
        list(convert(Options(f"{tmp_path}/refs(unc).p", write("instances.json", INSTANCES))))
