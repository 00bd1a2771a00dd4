"""Boxes as LLaVA writes them."""

from random import Random

import pytest

from vlm.corpus.formats.boxes import check_frame, clean_sentence, region_turn, write_box


@pytest.mark.parametrize(
    ("box", "size", "padded", "image"),
    [
        # 640 x 480: 80 pixels above; (160 / 640, (120 + 80) / 640, 480 / 640, (360 + 80) / 640)
        ([160, 120, 320, 240], (640, 480), "[0.25, 0.31, 0.75, 0.69]", "[0.25, 0.25, 0.75, 0.75]"),
        # 300 x 600: 150 pixels on the left; ((30 + 150) / 600, 60 / 600, (90 + 150) / 600, 90 / 600)
        ([30.0, 60.0, 60.0, 30.0], (300, 600), "[0.3, 0.1, 0.4, 0.15]", "[0.1, 0.1, 0.3, 0.15]"),
        # 10 x 7: one and a half pixels above are one; (0, 1 / 10, 1, 8 / 10)
        ([0, 0, 10, 7], (10, 7), "[0.0, 0.1, 1.0, 0.8]", "[0.0, 0.0, 1.0, 1.0]"),
        # Beyond a picture of 100 x 50 on every side: cut off before 25 pixels are added above.
        ([-20, -5, 150, 80], (100, 50), "[0.0, 0.25, 1.0, 0.75]", "[0.0, 0.0, 1.0, 1.0]"),
        ([1, 1, 1, 1], (3, 3), "[0.33, 0.33, 0.67, 0.67]", "[0.33, 0.33, 0.67, 0.67]"),
    ],
)
def test_boxes_by_hand(box: list[float], size: tuple[int, int], padded: str, image: str) -> None:
    assert write_box("here", box, size, "padded") == padded
    assert write_box("here", box, size, "image") == image


def test_what_is_no_box_is_named() -> None:
    with pytest.raises(ValueError, match=r"^f: ref 1: a box is four numbers, not \[1, 2, 3\];"):
        write_box("f: ref 1", [1, 2, 3], (5, 5), "image")
    with pytest.raises(ValueError, match=r"^f: ref 1: a box is four numbers, not \[1, 2, 3, 'x'\];"):
        write_box("f: ref 1", [1, 2, 3, "x"], (5, 5), "image")
    with pytest.raises(ValueError, match=r"^f: ref 1: its picture is 0 x 5 pixels;"):
        write_box("f: ref 1", [1, 2, 3, 4], (0, 5), "image")
    with pytest.raises(ValueError, match=r"^boxes must be padded or image, got square$"):
        check_frame("square")


def test_turns_go_both_ways() -> None:
    draw = Random(0)
    turns = {region_turn("[0.1, 0.2, 0.3, 0.4]", "man in {red}", draw) for _ in range(50)}
    assert turns == {
        ("Please provide a short description for this region: [0.1, 0.2, 0.3, 0.4].", "Man in {red}."),
        (
            "Please provide the bounding box coordinate of the region this sentence describes: man in {red}.",
            "[0.1, 0.2, 0.3, 0.4]",
        ),
    }


def test_a_full_stop_is_written_once() -> None:
    assert clean_sentence(" The sign. \n") == "The sign"
    assert clean_sentence(" . ") == ""
