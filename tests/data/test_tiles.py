"""Tiles: which grid, which pixels, and in which order their visual tokens are read."""

import json
from pathlib import Path

import pytest
import torch
from PIL import Image
from transformers.image_processing_utils import select_best_resolution
from transformers.models.llava_next.modeling_llava_next import unpad_image

from vlm.data.image import ImageTransform
from vlm.data.tiles import choose_grid, cut_tiles, index_tiles, unpad
from vlm.encoder.open_clip import OpenCLIPEncoder

NEXT = [(2, 1), (1, 2), (2, 2), (1, 3), (3, 1)]
HD = [(rows, columns) for rows in range(1, 7) for columns in range(1, 7) if rows * columns <= 6]
SIZES = [
    (256, 171),
    (171, 256),
    (640, 480),
    (50, 50),
    (999, 1),
    (1, 999),
    (1344, 448),
    (337, 336),
    (3000, 2000),
]
SHARED = Path(__file__).resolve().parents[3] / "shared/data"
CLIP = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("grids", [NEXT, HD], ids=["next", "hd"])
def test_the_grid_is_the_one_that_transformers_chooses(
    size: tuple[int, int], grids: list[tuple[int, int]]
) -> None:
    width, height = size
    canvases = [(rows * 336, columns * 336) for rows, columns in grids]
    best_height, best_width = select_best_resolution((height, width), canvases)
    assert choose_grid(width, height, 336, grids) == (best_height // 336, best_width // 336)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("grid", [(2, 2), (1, 3), (3, 1)])
def test_the_padding_is_what_transformers_takes_away(size: tuple[int, int], grid: tuple[int, int]) -> None:
    rows, columns = grid
    whole = torch.arange(rows * columns * 576).view(1, rows * 24, columns * 24)
    assert torch.equal(unpad(whole, *size), unpad_image(whole, size[::-1]))


def test_tiles_hold_the_picture_in_reading_order_on_black() -> None:
    image = Image.new("RGB", (40, 20), "red")
    image.paste("blue", (20, 0, 40, 20))
    whole, *tiles = cut_tiles(image, (2, 2), 20)
    assert {tile.size for tile in (whole, *tiles)} == {(20, 20)}
    assert (whole.getpixel((5, 5)), whole.getpixel((15, 5))) == ((255, 0, 0), (0, 0, 255))
    upper_left, upper_right, lower_left, lower_right = tiles
    assert upper_left.getpixel((5, 5)) == (0, 0, 0)  # 40 x 20 in the middle of 40 x 40
    assert upper_left.getpixel((5, 15)) == lower_left.getpixel((5, 5)) == (255, 0, 0)
    assert upper_right.getpixel((15, 15)) == lower_right.getpixel((15, 5)) == (0, 0, 255)
    assert lower_right.getpixel((15, 15)) == (0, 0, 0)


@pytest.mark.parametrize(
    ("grid", "picture", "tokens"),
    [((2, 2), (500, 500), 2928), ((1, 3), (1008, 336), 2328), ((2, 2), (672, 336), 576 + 24 * 49)],
)
def test_as_many_tokens_as_llava_next(grid: tuple[int, int], picture: tuple[int, int], tokens: int) -> None:
    assert len(index_tiles((24, 24), grid, picture, "unpad")) == tokens


def test_the_orders() -> None:
    flat = index_tiles((2, 1), (1, 2), (10, 10), "flat")
    spatial = index_tiles((2, 1), (1, 2), (10, 10), "spatial")
    assert flat.tolist() == [0, 1, 2, 3, 4, 5]
    assert spatial.tolist() == [0, 1, 2, 4, 3, 5]


golden = pytest.mark.skipif(not (SHARED / "golden").is_dir(), reason="needs the golden pictures")


def normalised(mode: str, encoded: bytes) -> torch.Tensor:
    """As the encoder normalises what the transform prepares."""
    tiles = ImageTransform(336, CLIP[0], (24, 24), mode, NEXT, "unpad")(encoded).tiles
    encoder = OpenCLIPEncoder("ViT-L-14-336-quickgelu", "openai", "random", -2, False, *CLIP, "MIT")
    return encoder.normalise(tiles)


@golden
def test_pixels_and_grids_are_llavas() -> None:
    cases = json.loads((SHARED / "golden/image_preprocess.json").read_text())
    for case in cases:
        encoded = (SHARED / "llava_pretrain_200/images" / case["image"]).read_bytes()
        # LLaVA names a canvas by its width before its height.
        columns, rows = case["grid_shape"]
        assert choose_grid(*case["size"], 336, NEXT) == (rows, columns)
        for mode in {"crop", "pad"} & set(case):
            [pixels] = normalised(mode, encoded)
            expected = case[mode]
            assert list(pixels.shape) == expected["shape"]
            assert torch.allclose(pixels[:, ::24, ::24], torch.tensor(expected["stride24"]), atol=1e-4)
            assert pixels.mean((1, 2)).tolist() == pytest.approx(expected["mean"], abs=1e-4)
            assert pixels.std((1, 2)).tolist() == pytest.approx(expected["std"], abs=1e-4)
        if "anyres" in case:
            tiles = normalised("anyres", encoded)
            assert list(tiles.shape) == case["anyres"]["shape"]
            assert tiles.mean().item() == pytest.approx(case["anyres"]["mean"], abs=1e-4)
            assert tiles.std().item() == pytest.approx(case["anyres"]["std"], abs=1e-4)
            left = unpad(torch.arange(4 * 576).view(4, 24, 24), *case["size"])
            assert list(left.shape) == case["unpad24"]["shape"]
            assert left.sum().item() == case["unpad24"]["sum"]
