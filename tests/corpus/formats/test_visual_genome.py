"""Visual Genome: at most ten regions of a picture."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from vlm.corpus.formats.visual_genome import Options, convert

Write = Callable[[str, Any], str]

DATA = [
    {"image_id": 1, "width": 800, "height": 600, "url": "https://x/rak248/VG_100K_2/1.jpg"},
    {"image_id": 2, "width": 100, "height": 100, "url": "https://x/rak248/VG_100K/2.jpg"},
    {"image_id": 3, "width": 100, "height": 100, "url": "https://x/rak248/VG_100K/3.jpg"},
]


def region(number: int, phrase: str, **others: int) -> dict[str, Any]:
    place = {"x": 80, "y": 100, "width": 320, "height": 200} | others
    return {"region_id": number, "phrase": phrase, **place}


ROWS = [
    {"id": 1, "regions": [region(1382, "the clock is green. ")]},
    {"id": 2, "regions": [region(number, f"thing {number}", x=0, y=number) for number in range(25)]},
    {"id": 3, "regions": [region(99, " ")]},
]


def records(write: Write, rows: list[Any], data: list[Any] = DATA, **others: Any) -> list[dict[str, Any]]:
    return list(convert(Options(write("regions.json", rows), write("image_data.json", data), **others)))


def things(record: dict[str, Any]) -> list[int]:
    """Numbers of the regions that are asked about."""
    said = [turn["value"] for turn in record["conversations"]]
    pairs = [f"{question} {answer}" for question, answer in zip(said[::2], said[1::2], strict=True)]
    return [int(re.findall(r"hing (\d+)\.", pair)[0]) for pair in pairs]


# 800 x 600: 100 pixels above; (80 / 800, 200 / 800, 400 / 800, 400 / 800), or (80 / 800, 100 / 600, ...)
@pytest.mark.parametrize(
    ("frame", "box"), [("padded", "[0.1, 0.25, 0.5, 0.5]"), ("image", "[0.1, 0.17, 0.5, 0.5]")]
)
def test_a_record_to_the_letter_both_ways(write: Write, frame: str, box: str) -> None:
    made = [records(write, ROWS[:1], seed=seed, boxes=frame) for seed in range(20)]
    turns = (
        ("Please provide a short description for this region: " + box + ".", "The clock is green."),
        (
            "Please provide the bounding box coordinate of the region this sentence describes: "
            "the clock is green.",
            box,
        ),
    )
    for question, answer in turns:
        record = {
            "id": "VG_100K_2/1",
            "image": "vg/VG_100K_2/1.jpg",
            "conversations": [
                {"from": "human", "value": f"<image>\n{question}"},
                {"from": "gpt", "value": answer},
            ],
        }
        assert [record] in made
        made = [one for one in made if one != [record]]
    assert not made


def test_at_most_ten_regions_and_no_picture_without_one(write: Write) -> None:
    made = records(write, ROWS)
    assert [record["image"] for record in made] == ["vg/VG_100K_2/1.jpg", "vg/VG_100K/2.jpg"]
    asked = things(made[1])
    assert len(set(asked)) == 10
    assert asked == sorted(asked)
    assert str(made[1]).count("<image>") == 1


def test_the_draw_depends_on_seed_and_picture_only(write: Write) -> None:
    made = records(write, ROWS)
    turned = [row | {"regions": row["regions"][::-1]} for row in ROWS[::-1]]
    assert records(write, turned, DATA[::-1])[::-1] == made
    assert things(records(write, ROWS, seed=2)[1]) != things(made[1])
    other = records(write, [ROWS[1] | {"id": 3}])
    assert things(other[0]) != things(made[1])


def test_what_is_wrong_is_named(write: Write) -> None:
    with pytest.raises(
        ValueError, match=r"^regions=.*regions.json: image 1 is not in image_data=.*_data.json"
    ):
        records(write, ROWS, DATA[1:])
    with pytest.raises(
        ValueError, match=r"^image_data=.*_data.json: image 1: url https://x/1.jpg names none"
    ):
        records(write, ROWS, [DATA[0] | {"url": "https://x/1.jpg"}])
    with pytest.raises(
        ValueError, match=r"^regions=.*regions.json: image 1: regions: row 0: x must be int or"
    ):
        records(write, [{"id": 1, "regions": [region(1, "a") | {"x": None}]}])
    with pytest.raises(ValueError, match=r"^boxes must be padded or image, got square$"):
        records(write, ROWS, boxes="square")
