"""Every encoder keeps the contract; a new YAML is tested without an edit here."""

import pytest
import torch

from tests.conftest import Compose, complete_words
from vlm.build import build_model
from vlm.encoder.base import Encoder

CHOICES = complete_words("encoder")


@pytest.fixture(params=CHOICES)
def encoder(request: pytest.FixtureRequest, compose: Compose) -> Encoder:
    return build_model(compose(f"encoder={request.param}", "twin=true")).encoder


def test_sizes_are_known_before_it_is_built_and_true_after(encoder: Encoder) -> None:
    rows, columns = encoder.grid
    assert not list(encoder.parameters())
    encoder.configure_model()
    pixels = torch.randn(2, 3, encoder.image_size, encoder.image_size)
    assert encoder(pixels).shape == (2, rows * columns, encoder.vision_dim)


def test_what_it_sees_differs_from_place_to_place(encoder: Encoder) -> None:
    encoder.configure_model()
    features = encoder.eval()(torch.randn(1, 3, encoder.image_size, encoder.image_size))
    assert features.std(dim=1).mean() > 1e-2


def test_gradients_reach_the_pixels_and_every_weight(encoder: Encoder) -> None:
    encoder.configure_model()
    pixels = torch.randn(2, 3, encoder.image_size, encoder.image_size, requires_grad=True)
    encoder(pixels).square().sum().backward()
    assert pixels.grad is not None
    assert pixels.grad.abs().sum() > 0
    missing = [name for name, weight in encoder.named_parameters() if weight.grad is None]
    assert not missing


def test_building_twice_changes_nothing(encoder: Encoder) -> None:
    encoder.configure_model()
    before = [weight.clone() for weight in encoder.parameters()]
    encoder.configure_model()
    assert all(torch.equal(a, b) for a, b in zip(before, encoder.parameters(), strict=True))


def test_a_frozen_encoder_lets_gradients_through(encoder: Encoder) -> None:
    """Whether it learns is the stage's to say: nothing in it stops a gradient."""
    encoder.configure_model()
    encoder.requires_grad_(False)
    pixels = torch.randn(1, 3, encoder.image_size, encoder.image_size, requires_grad=True)
    encoder(pixels).sum().backward()
    assert pixels.grad is not None


def test_blocks_are_its_transformers(encoder: Encoder) -> None:
    encoder.configure_model()
    inside = {id(weight) for weight in encoder.parameters()}
    assert encoder.blocks
    blocks = [block for stack in encoder.blocks for block in stack]
    assert {id(weight) for block in blocks for weight in block.parameters()} <= inside
    assert all(any(True for _ in block.parameters()) for block in blocks)


def test_it_states_how_it_learned_to_see(encoder: Encoder) -> None:
    assert len(encoder.mean) == len(encoder.std) == 3
    assert encoder.licence
