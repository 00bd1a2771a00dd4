"""What deep encoders have in common: layers, whose raw outputs are the features."""

from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import nn

from vlm.encoder.base import Encoder
from vlm.meta import builds_shapes_only
from vlm.shapes import PatchFeatures, Pixels


class LayeredEncoder(Encoder):
    """The raw outputs of chosen layers: no final norm, no pooling (LLaVA's choice).

    What the features do not need is not built, or dropped: layers after the last chosen one, heads.

    Args:
        layer: Which layer, or layers, joined by channel: -1 is the last, -2 the one before.
        class_token: Whether its feature is kept, before those of the patches.
        mean: Of each channel in [0, 1].
        std: Of each channel in [0, 1].
        licence: Of the weights.
    """

    def __init__(
        self,
        layer: int | Sequence[int],
        class_token: bool,
        mean: Sequence[float],
        std: Sequence[float],
        licence: str,
    ) -> None:
        super().__init__(mean, std, licence)
        self.layers = [layer] if isinstance(layer, int) else list(layer)
        self.class_token = class_token

    def _check_layers(self) -> None:
        for layer in self.layers or [0]:
            if not -self.num_layers <= layer < 0:
                raise ValueError(f"encoder.layer must be between -{self.num_layers} and -1, got {layer}")

    @property
    @abstractmethod
    def num_layers(self) -> int:
        """Layers of the published network."""

    @abstractmethod
    def _build(self, depth: int) -> nn.Module:
        """Return the network with random weights and, if it can be built so, its first layers only."""

    @abstractmethod
    def _load(self, network: nn.Module) -> None:
        """Fill in the weights."""

    @abstractmethod
    def _features(self, network: nn.Module, pixels: Pixels) -> PatchFeatures:
        """Return the chosen layers' outputs."""

    @property
    def _chosen(self) -> list[int]:
        """The chosen layers, counted from the first, which is 0."""
        return [self.num_layers + layer for layer in self.layers]

    @property
    def _depth(self) -> int:
        """The layers that the features need."""
        return max(self._chosen) + 1

    def configure_model(self) -> None:
        """Build the network and load its weights; a second call does nothing.

        Raises:
            ValueError: The weights are damaged, lack some, or do not fit.
        """
        if hasattr(self, "network"):
            return
        network = self._build(self._depth)
        if not builds_shapes_only():
            self._load(network)
        drop_weights(network, self._unused())
        self.network = network

    def _unused(self) -> list[str]:
        """Return the weights that no gradient of the features would reach."""
        with torch.device("meta"), torch.enable_grad():
            network = self._build(self._depth).eval()
            weights = dict(network.named_parameters())
            pixels = torch.zeros(1, 3, self.image_size, self.image_size)
            total = self._features(network, pixels).sum()
            gradients = torch.autograd.grad(total, list(weights.values()), allow_unused=True)
        return [name for name, gradient in zip(weights, gradients, strict=True) if gradient is None]

    def forward(self, pixels: Pixels) -> PatchFeatures:
        """Return the chosen layers' features of each patch."""
        return self._features(self.network, pixels)


def drop_weights(network: nn.Module, names: Sequence[str]) -> None:
    """Remove weights: modules that have no others become the identity."""
    doomed = set(names)
    for path, module in list(network.named_modules()):
        own = {f"{path}.{name}" if path else name for name, _ in module.named_parameters()}
        if path and own and own <= doomed and not isinstance(module, nn.ModuleList | nn.Sequential):
            parent, _, child = path.rpartition(".")
            setattr(network.get_submodule(parent), child, nn.Identity())
            doomed -= own
    for name in doomed:
        path, _, weight = name.rpartition(".")
        setattr(network.get_submodule(path), weight, None)
