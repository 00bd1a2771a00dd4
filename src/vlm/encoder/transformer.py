"""What vision transformers have in common: blocks, whose outputs are the features."""

from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from vlm.encoder.base import Encoder
from vlm.meta import builds_shapes_only
from vlm.shapes import PatchFeatures, Pixels


class TransformerEncoder(Encoder):
    """The raw outputs of chosen blocks: no final norm, no pooling (LLaVA's choice).

    Blocks after the last chosen one are not built, nor is anything else that the features do not need.

    Args:
        layer: Which block, or blocks, joined by channel: -1 is the last, -2 the one before.
        class_token: Whether its feature is kept, before those of the patches.
        prefix_tokens: Features that come before those of patches: class token, registers.
        mean: Of each channel in [0, 1].
        std: Of each channel in [0, 1].
        licence: Of the weights.

    Raises:
        ValueError: There is no such block, or no class token to keep.
    """

    def __init__(
        self,
        layer: int | Sequence[int],
        class_token: bool,
        prefix_tokens: int,
        mean: Sequence[float],
        std: Sequence[float],
        licence: str,
    ) -> None:
        super().__init__(mean, std, licence)
        self.layers = [layer] if isinstance(layer, int) else list(layer)
        self.class_token, self.prefix_tokens = class_token, prefix_tokens
        if class_token and not prefix_tokens:
            raise ValueError("encoder.class_token=true, but this encoder has none; set it to false")

    def _check_layers(self) -> None:
        for layer in self.layers or [0]:
            if not -self._num_layers <= layer < 0:
                raise ValueError(f"encoder.layer must be between -{self._num_layers} and -1, got {layer}")

    @property
    @abstractmethod
    def _num_layers(self) -> int:
        """Blocks of the published network."""

    @property
    @abstractmethod
    def _width(self) -> int:
        """Size of one block's feature."""

    @property
    @abstractmethod
    def _patch_size(self) -> int:
        """Side of a patch, in pixels."""

    @abstractmethod
    def _build(self, num_layers: int) -> nn.Module:
        """Return the network with its first blocks only and random weights."""

    @abstractmethod
    def _load(self, network: nn.Module) -> None:
        """Fill in the weights."""

    @abstractmethod
    def _stack(self, network: nn.Module) -> nn.ModuleList:
        """Return its blocks."""

    @property
    def vision_dim(self) -> int:
        """The chosen blocks' features side by side."""
        return self._width * len(self.layers)

    @property
    def grid(self) -> tuple[int, int]:
        """Image size over patch size, both ways; a row if the class token is kept."""
        side = self.image_size // self._patch_size
        return (1, side * side + 1) if self.class_token else (side, side)

    @property
    def blocks(self) -> list[nn.ModuleList]:
        """One transformer's."""
        return [self._stack(self.network)]

    def configure_model(self) -> None:
        """Build the network and load its weights; a second call does nothing.

        Raises:
            ValueError: The weights are damaged, lack some, or do not fit.
        """
        if hasattr(self, "network"):
            return
        num_layers = self._num_layers + max(self.layers) + 1
        network = self._build(num_layers)
        if not builds_shapes_only():
            self._load(network)
        with torch.device("meta"):
            drop_weights(network, self._unused(self._build(num_layers)))
        self.network = network

    def _unused(self, network: nn.Module) -> list[str]:
        """Return the weights that no gradient of the features would reach."""
        weights = dict(network.named_parameters())
        pixels = torch.zeros(1, 3, self.image_size, self.image_size, device="meta")
        with torch.enable_grad():
            total = self._features(network.eval(), pixels).sum()
            gradients = torch.autograd.grad(total, list(weights.values()), allow_unused=True)
        return [name for name, gradient in zip(weights, gradients, strict=True) if gradient is None]

    def _run(self, network: nn.Module, pixels: Pixels) -> None:
        """Run the network; what it returns is not used."""
        network(pixels)

    def _features(self, network: nn.Module, pixels: Pixels) -> PatchFeatures:
        stack = self._stack(network)
        outputs: dict[int, Tensor] = {}

        def keep(number: int) -> torch.utils.hooks.RemovableHandle:
            def hook(block: nn.Module, inputs: object, output: Tensor | tuple[Tensor, ...]) -> None:
                outputs[number] = output if isinstance(output, Tensor) else output[0]

            return stack[number].register_forward_hook(hook)

        chosen = [len(stack) - 1 + layer - max(self.layers) for layer in self.layers]
        handles = [keep(number) for number in chosen]
        try:
            self._run(network, pixels)
        finally:
            for handle in handles:
                handle.remove()
        # Some networks keep their features as maps: image, row, column, dim.
        return torch.cat([outputs[number].flatten(1, -2) for number in chosen], dim=-1)

    def forward(self, pixels: Pixels) -> PatchFeatures:
        """Return the chosen blocks' features.

        Raises:
            ValueError: There are not as many as the grid says.
        """
        features = self._features(self.network, pixels)
        side = self.image_size // self._patch_size
        if features.shape[1] != self.prefix_tokens + side * side:
            raise ValueError(
                f"the encoder made {features.shape[1]} features of a picture, not {side} x {side} for its "
                f"patches after {self.prefix_tokens} others; correct encoder.prefix_tokens"
            )
        patches = features[:, self.prefix_tokens :]
        return torch.cat([features[:, :1], patches], dim=1) if self.class_token else patches


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
