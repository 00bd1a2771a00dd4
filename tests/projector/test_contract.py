"""Every projector keeps the contract; a new YAML is tested without an edit here."""

import pytest
import torch
from hydra.utils import instantiate

from tests.conftest import Compose
from vlm.paths import config_dir
from vlm.projector.base import Projector

CHOICES = sorted(path.stem for path in (config_dir() / "projector").glob("*.yaml"))
GRID = (6, 6)
VISION_DIM, TEXT_DIM = 5, 7


@pytest.fixture(params=CHOICES)
def projector(request: pytest.FixtureRequest, compose: Compose) -> Projector:
    node = compose(f"projector={request.param}").projector
    built: Projector = instantiate(node, vision_dim=VISION_DIM, text_dim=TEXT_DIM)
    built.configure_model()
    return built


def test_it_makes_as_many_tokens_as_it_says(projector: Projector) -> None:
    features = torch.randn(2, GRID[0] * GRID[1], VISION_DIM)
    assert projector(features).shape == (2, projector.num_tokens(GRID), TEXT_DIM)


def test_gradients_reach_the_features_and_every_weight(projector: Projector) -> None:
    features = torch.randn(2, GRID[0] * GRID[1], VISION_DIM, requires_grad=True)
    projector(features).square().sum().backward()
    assert features.grad is not None
    assert all(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in projector.parameters())


def test_pictures_do_not_see_each_other(projector: Projector) -> None:
    features = torch.randn(2, GRID[0] * GRID[1], VISION_DIM)
    before = projector(features)
    features[1] += 1
    assert torch.equal(projector(features)[0], before[0])
