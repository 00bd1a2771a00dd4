"""Packing: whole documents end to end, with room for their pictures."""

import pytest
import torch

from vlm.data.batch import pack
from vlm.data.image import Picture
from vlm.data.tokens import IGNORE_ID, IMAGE_ID, Tokens

FIRST = Tokens([1, IMAGE_ID, 5, 6], [IGNORE_ID, IGNORE_ID, 5, 6])
SECOND = Tokens([1, 7, 8], [IGNORE_ID, 7, 8])
PICTURE = Picture(torch.zeros(1, 3, 4, 4), torch.arange(3))


def test_documents_lie_end_to_end_and_pictures_have_room() -> None:
    batch = pack([FIRST, SECOND], [PICTURE], ["a", "b"], 3, 4, 99)
    assert batch.ids.tolist() == [1, IMAGE_ID, IMAGE_ID, IMAGE_ID, 5, 6, 1, 7, 8]
    assert batch.position_ids.tolist() == [0, 1, 2, 3, 4, 5, 0, 1, 2]
    assert batch.boundaries.tolist() == [0, 6, 9]
    assert batch.boundaries.dtype == torch.int32
    assert batch.labels.tolist() == [IGNORE_ID] * 4 + [5, 6, IGNORE_ID, 7, 8]


def test_a_batch_without_pictures_still_has_pixels_of_the_right_shape() -> None:
    batch = pack([SECOND], [], ["b"], 3, 4, 99)
    assert batch.pixels.shape == (0, 3, 4, 4)
    assert batch.visual_index.tolist() == []


def test_each_picture_takes_the_room_of_its_own_tokens() -> None:
    tiled = Picture(torch.zeros(2, 3, 4, 4), torch.tensor([0, 1, 2, 4, -1]))
    batch = pack([FIRST, FIRST, FIRST], [tiled, PICTURE, tiled], ["a", "b", "c"], 3, 4, 99)
    assert batch.visual_index.tolist() == [0, 1, 2, 4, -1, 6, 7, 8, 9, 10, 11, 13, -1]
    assert batch.boundaries.tolist() == [0, 8, 14, 22]
    assert batch.pixels.shape == (5, 3, 4, 4)


def test_a_long_document_is_cut_at_its_end() -> None:
    batch = pack([SECOND], [], ["b"], 3, 4, 2)
    assert batch.ids.tolist() == [1, 7]


def test_a_picture_is_never_cut() -> None:
    with pytest.raises(ValueError, match="a: its pictures do not fit"):
        pack([FIRST], [PICTURE], ["a"], 3, 4, 3)


def test_a_document_with_nothing_to_learn_is_named() -> None:
    with pytest.raises(ValueError, match="b: no answer starts"):
        pack([SECOND], [], ["b"], 3, 4, 1)
