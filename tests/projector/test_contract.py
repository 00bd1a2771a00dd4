"""Every projector keeps the contract; a new YAML is tested without an edit here."""

import pytest
import torch
from hydra.errors import InstantiationException
from hydra.utils import get_class, instantiate
from omegaconf import OmegaConf

from tests.conftest import Compose, complete_words
from vlm.projector.base import Projector

CHOICES = complete_words("projector")
GRIDS = [(6, 6), (3, 5)]  # even; odd, and no square


@pytest.fixture(params=CHOICES)
def choice(request: pytest.FixtureRequest) -> str:
    word: str = request.param
    return word


@pytest.fixture(params=GRIDS)
def projector(request: pytest.FixtureRequest, choice: str, compose: Compose) -> Projector:
    return build(compose, choice, request.param)


def build(compose: Compose, choice: str, grid: tuple[int, int]) -> Projector:
    torch.manual_seed(0)
    settings = OmegaConf.to_container(compose(f"projector={choice}").projector, resolve=True)
    assert isinstance(settings, dict)
    settings.pop("weights")
    node = get_class(settings["_target_"]).twin(settings)
    try:
        built: Projector = instantiate(node, vision_dim=12, text_dim=7, grid=grid)
    except InstantiationException:  # it projects nothing, so it needs features of the LLM's size
        built = instantiate(node, vision_dim=7, text_dim=7, grid=grid)
    built.configure_model()
    return built


def features_for(projector: Projector) -> torch.Tensor:
    return torch.randn(2, projector.grid[0] * projector.grid[1], projector.vision_dim)


def test_it_makes_as_many_tokens_as_it_says(projector: Projector) -> None:
    assert projector(features_for(projector)).shape == (2, projector.num_tokens, projector.text_dim)


def test_gradients_reach_the_features_and_every_weight(projector: Projector) -> None:
    features = features_for(projector).requires_grad_()
    projector(features).pow(3).sum().backward()
    assert features.grad is not None
    assert features.grad.abs().sum() > 0
    unreached = [name for name, weight in projector.named_parameters() if weight.grad is None]
    assert not unreached
    # A bias that shifts all keys of an attention alike changes nothing: its gradient is zero, rightly.
    still = [n for n, weight in projector.named_parameters() if weight.ndim > 1 and not weight.grad.any()]
    assert not still


def test_pictures_do_not_see_each_other(projector: Projector) -> None:
    features = features_for(projector)
    before = projector(features)
    features[1] += 1
    assert torch.equal(projector(features)[0], before[0])


def test_a_second_call_builds_nothing(projector: Projector) -> None:
    before = [id(weight) for weight in projector.parameters()]
    projector.configure_model()
    assert [id(weight) for weight in projector.parameters()] == before


def test_weights_return_to_the_same_tokens(projector: Projector, choice: str, compose: Compose) -> None:
    features = features_for(projector)
    again = build(compose, choice, projector.grid)
    again.load_state_dict(dict(projector.state_dict()))
    assert torch.equal(again(features), projector(features))
