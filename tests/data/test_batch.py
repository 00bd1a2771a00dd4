"""Packing: whole documents end to end, with room for their pictures."""

import numpy as np
import torch

from vlm.data.batch import pack
from vlm.data.document import Document
from vlm.data.image import Picture
from vlm.data.tokens import IGNORE_ID, IMAGE_ID


def tiles(count: int) -> torch.Tensor:
    return torch.zeros(count, 4, 4, 3, dtype=torch.uint8)


def document(key: str, ids: list[int], labels: list[int], pictures: list[Picture]) -> Document:
    return Document(key, np.array(ids), np.array(labels), pictures)


PICTURE = Picture(tiles(1), torch.arange(3))
FIRST = document("a/1", [1, *[IMAGE_ID] * 3, 5, 6], [IGNORE_ID] * 4 + [5, 6], [PICTURE])
SECOND = document("b/2", [1, 7, 8], [IGNORE_ID, 7, 8], [])


def test_documents_lie_end_to_end_and_pictures_have_room() -> None:
    batch = pack([FIRST, SECOND], 3, 4)
    assert batch.ids.tolist() == [1, IMAGE_ID, IMAGE_ID, IMAGE_ID, 5, 6, 1, 7, 8]
    assert batch.position_ids.tolist() == [0, 1, 2, 3, 4, 5, 0, 1, 2]
    assert batch.edges.boundaries.tolist() == [0, 6, 9]
    assert batch.edges.boundaries.dtype == torch.int32
    assert batch.labels.tolist() == [IGNORE_ID] * 4 + [5, 6, IGNORE_ID, 7, 8]
    assert batch.keys == ["a/1", "b/2"]
    assert (batch.edges.lengths, batch.num_pictures) == ([6, 3], 1)


def test_what_is_learned_is_known_by_source() -> None:
    heavy = Document("b/3", SECOND.ids, SECOND.labels, [], loss_weight=3.0)
    batch = pack([FIRST, SECOND, heavy], 3, 4)
    learned = [
        (part.source, part.weight, part.places.tolist(), part.targets.tolist()) for part in batch.learned
    ]
    assert learned == [("a", 1.0, [3, 4], [5, 6]), ("b", 1.0, [6, 7], [7, 8]), ("b", 3.0, [9, 10], [7, 8])]
    assert (batch.num_supervised, batch.supervised_weight) == (6, 2 + 2 + 6)


def test_a_row_may_be_filled_to_one_size() -> None:
    batch = pack([FIRST, SECOND], 3, 4, row_size=14)
    assert batch.edges.boundaries.tolist() == [0, 6, 9, 14]
    assert batch.position_ids.tolist()[9:] == [0, 1, 2, 3, 4]
    assert batch.num_supervised == 4
    assert pack([FIRST], 3, 4, row_size=6).edges.boundaries.tolist() == [0, 6]


def test_a_batch_without_pictures_still_has_pixels_of_the_right_shape() -> None:
    batch = pack([SECOND], 3, 4)
    assert batch.tiles.shape == (0, 4, 4, 3)
    assert batch.visual_index.tolist() == []


def test_each_picture_takes_the_room_of_its_own_tokens() -> None:
    tiled = Picture(tiles(2), torch.tensor([0, 1, 2, 4, -1]))
    many = document("c", [IMAGE_ID] * 5, [IGNORE_ID] * 5, [tiled])
    batch = pack([many, FIRST, many], 3, 4)
    assert batch.visual_index.tolist() == [0, 1, 2, 4, -1, 6, 7, 8, 9, 10, 11, 13, -1]
    assert batch.edges.boundaries.tolist() == [0, 5, 11, 16]
    assert batch.tiles.shape == (5, 4, 4, 3)


def test_padding_makes_all_as_long_as_the_longest() -> None:
    batch = pack([FIRST, SECOND], 3, 4, pad_id=0)
    assert batch.edges.boundaries.tolist() == [0, 6, 12]
    assert batch.ids.tolist()[6:] == [1, 7, 8, 0, 0, 0]
    assert batch.labels.tolist()[6:] == [IGNORE_ID, 7, 8, *[IGNORE_ID] * 3]


def test_a_first_token_is_predicted_by_nothing() -> None:
    unopened = document("c", [7, 8], [7, 8], [])
    assert pack([FIRST, unopened], 3, 4).num_supervised == 3
