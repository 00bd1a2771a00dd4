"""LLaVA's connectors: their sizes, their formula, their numbering."""

import pytest
import torch
from torch.nn.functional import gelu

from vlm.projector.mlp import MLPProjector


@pytest.mark.parametrize(
    ("depth", "text_dim", "parameters"),
    [(1, 4096, 4_198_400), (1, 5120, 5_248_000), (2, 4096, 20_979_712), (2, 5120, 31_467_520)],
)
def test_parameter_counts_are_llavas(depth: int, text_dim: int, parameters: int) -> None:
    projector = MLPProjector(1024, text_dim, (24, 24), depth)
    with torch.device("meta"):
        projector.configure_model()
    assert sum(weight.numel() for weight in projector.parameters()) == parameters


def test_the_formula_is_linear_gelu_linear() -> None:
    projector = MLPProjector(3, 4, (1, 5), 2)
    projector.configure_model()
    weights = projector.state_dict()
    assert list(weights) == ["layers.0.weight", "layers.0.bias", "layers.2.weight", "layers.2.bias"]
    features = torch.randn(2, 5, 3)
    hidden = gelu(features @ weights["layers.0.weight"].T + weights["layers.0.bias"])
    expected = hidden @ weights["layers.2.weight"].T + weights["layers.2.bias"]
    assert torch.allclose(projector(features), expected, atol=1e-6)


def test_a_depth_of_none_is_named() -> None:
    with pytest.raises(ValueError, match=r"projector.depth must be at least 1, got 0"):
        MLPProjector(3, 4, (1, 5), 0)
