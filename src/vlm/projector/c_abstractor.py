"""Honeybee's convolutional abstractor."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from timm.layers.norm import LayerNorm2d
from timm.models.regnet import RegStage
from torch import nn

from vlm.projector.base import Projector
from vlm.projector.grid import reduced, to_map, to_patches
from vlm.shapes import PatchFeatures, VisualTokens


class CAbstractor(Projector):
    """ResNet blocks, pooling, ResNet blocks, two linear layers (Cha et al. 2023, arXiv:2312.06742).

    The blocks are RegNet's bottlenecks with depth-wise 3x3 convolutions and squeeze-and-excitation, with
    SiLU and layer norm in place of ReLU and batch norm.

    Args:
        vision_dim: Size of a patch feature.
        text_dim: Size of an LLM embedding.
        grid: Rows and columns of patches.
        factor: How many times fewer rows and columns; the paper's 24 to 12 is 2.
        hidden_size: Channels of the blocks.
        depth: Blocks before the pooling, and again after it.
    """

    def __init__(
        self, vision_dim: int, text_dim: int, grid: Sequence[int], factor: int, hidden_size: int, depth: int
    ) -> None:
        super().__init__(vision_dim, text_dim, grid)
        if depth < 1:
            raise ValueError(f"projector.depth must be at least 1, got {depth}")
        self.hidden_size, self.depth = hidden_size, depth
        self._output_grid = reduced(self.grid, factor)

    @classmethod
    def twin(cls, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Return the settings with few and narrow layers."""
        return {**settings, **{"hidden_size": 16, "depth": 1}}

    @property
    def output_grid(self) -> tuple[int, int]:
        """One token for each window."""
        return self._output_grid

    def configure_model(self) -> None:
        """Build the blocks; a second call does nothing."""
        if hasattr(self, "blocks"):
            return
        stage = partial(
            RegStage, self.depth, out_chs=self.hidden_size, stride=1, dilation=1, act_layer=nn.SiLU,
            norm_layer=LayerNorm2d,
        )  # fmt: skip
        self.blocks = nn.Sequential(
            stage(in_chs=self.vision_dim),
            nn.AdaptiveAvgPool2d(self.output_grid),
            stage(in_chs=self.hidden_size),
        )
        self.readout = nn.Sequential(
            nn.Linear(self.hidden_size, self.text_dim), nn.SiLU(), nn.Linear(self.text_dim, self.text_dim)
        )

    def forward(self, features: PatchFeatures) -> VisualTokens:
        """Abstract the map, then project."""
        return self.readout(to_patches(self.blocks(to_map(features, self.grid))))
