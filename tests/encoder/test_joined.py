"""Fused and multi-scale encoders against the encoders in them."""

import pytest
import torch
from torch.nn.functional import interpolate

from tests.conftest import Compose
from vlm.build import build_model
from vlm.encoder.base import Encoder
from vlm.encoder.fused import FusedEncoder
from vlm.encoder.multi_scale import MultiScaleEncoder


@pytest.fixture
def pair(compose: Compose) -> dict[str, Encoder]:
    """Two twins that differ in size of picture and in colors, with a grid of 4 x 4 each."""
    encoders = {n: build_model(compose(f"encoder={n}", "twin=true")).encoder for n in ("clip336", "sam_base")}
    for encoder in encoders.values():
        encoder.configure_model()
    return {name: encoder.eval() for name, encoder in encoders.items()}


def test_channels_stand_side_by_side_and_each_sees_its_own_colors(pair: dict[str, Encoder]) -> None:
    fused = FusedEncoder(pair, "channel", None)
    first, second = pair.values()
    assert fused.image_size == second.image_size > first.image_size
    colors = torch.rand(2, 3, fused.image_size, fused.image_size)  # in [0, 1], before any normalising

    def normalised(encoder: Encoder) -> torch.Tensor:
        mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (encoder.mean, encoder.std))
        return (colors - mean) / std

    size = (first.image_size, first.image_size)
    small = interpolate(normalised(first), size, mode="bicubic", antialias=True)
    joined = fused(normalised(first))
    assert torch.allclose(joined[..., : first.vision_dim], first(small), atol=1e-4)
    assert torch.allclose(joined[..., first.vision_dim :], second(normalised(second)), atol=1e-4)


def test_sequence_and_interleaved_are_orders_of_the_same_features(pair: dict[str, Encoder]) -> None:
    sequence, interleaved = FusedEncoder(pair, "sequence", None), FusedEncoder(pair, "interleaved", None)
    pixels = torch.randn(1, 3, sequence.image_size, sequence.image_size)
    assert (sequence.grid, interleaved.grid) == ((8, 4), (4, 8))
    one_below_another, by_turns = sequence(pixels), interleaved(pixels)
    assert torch.equal(by_turns[:, 0::2], one_below_another[:, :16])
    assert torch.equal(by_turns[:, 1::2], one_below_another[:, 16:])


def test_a_common_grid_resizes_features(pair: dict[str, Encoder]) -> None:
    fused = FusedEncoder(pair, "channel", [2, 2])
    assert fused.grid == (2, 2)
    pixels = torch.randn(1, 3, fused.image_size, fused.image_size)
    assert fused(pixels).shape == (1, 4, fused.vision_dim)


def test_mistakes_name_the_key(pair: dict[str, Encoder]) -> None:
    first, second = pair.values()
    with pytest.raises(ValueError, match=r"encoder.join must be one of .*, got sum"):
        FusedEncoder(pair, "sum", None)
    with pytest.raises(ValueError, match=r"encoder.encoders must name at least two"):
        FusedEncoder({"one": first}, "channel", None)
    wide = MultiScaleEncoder(second, [1, 2])
    with pytest.raises(ValueError, match=r"encoder.join=sequence needs features of one size"):
        FusedEncoder({"a": first, "b": wide}, "sequence", None)
    with pytest.raises(ValueError, match=r"encoder.scales must be .* got \[2, 1\]"):
        MultiScaleEncoder(first, [2, 1])


def test_a_larger_scale_is_its_squares_averaged(pair: dict[str, Encoder]) -> None:
    encoder = pair["clip336"]
    size = encoder.image_size
    joined = MultiScaleEncoder(encoder, [1, 2])
    pixels = torch.randn(1, 3, 2 * size, 2 * size)
    seen = joined(pixels)
    assert (joined.grid, joined.vision_dim) == ((4, 4), 2 * encoder.vision_dim)
    small = interpolate(pixels, (size, size), mode="bicubic")
    assert torch.allclose(seen[..., : encoder.vision_dim], encoder(small), atol=1e-5)
    # The top right quarter alone gives the top right quarter of the map, averaged over 2 x 2.
    quarter = encoder(pixels[..., :size, size:]).reshape(1, 2, 2, 2, 2, -1).mean((2, 4)).reshape(1, 4, -1)
    there = seen.reshape(1, 4, 4, -1)[:, :2, 2:, encoder.vision_dim :].reshape(1, 4, -1)
    assert torch.allclose(there, quarter, atol=1e-5)
