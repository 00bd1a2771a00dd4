"""Where the tensors of others belong in a built model."""

import re

import torch
from torch import Tensor, nn

from vlm.encoder.base import Encoder
from vlm.encoder.layered import LayeredEncoder
from vlm.exchange.names import pieces
from vlm.model.vision_language import VisionLanguageModel

UNREAD = re.compile(
    r"encoder\.(embeddings\.position_ids|post_layernorm\..+|head\..+)"
    r"|llm\..+\.rotary_emb\.inv_freq"
    r"|projector\.row_end"
)
"""Pieces that files may hold, and models may lack: what comes after a tower's features; numbers that follow
from a configuration; the end of rows, where pictures are not cut into tiles."""

TOWER_LAYER = re.compile(r"encoder\.encoder\.layers\.(\d+)\.")


def kept_once(module: nn.Module) -> dict[str, Tensor]:
    """Return what a built module keeps; of tied weights the first."""
    kept = {
        id(tensor): (name, tensor) for name, tensor in reversed(module.state_dict(keep_vars=True).items())
    }
    return {name: tensor.detach() for name, tensor in reversed(kept.values())}


def pieces_of(model: VisionLanguageModel) -> dict[str, Tensor]:
    """Return a built model's weights by the names of pieces; they are views, so that one can be filled."""
    found: dict[str, Tensor] = {}
    for name, weight in kept_once(model).items():
        parts = pieces(name)
        found |= zip(parts, weight.chunk(len(parts)), strict=True)
    return found


class Places:
    """The pieces of a built model, to be filled.

    Args:
        model: Its three parts built.
    """

    def __init__(self, model: VisionLanguageModel) -> None:
        self.places = pieces_of(model)
        self._num_tower_layers = _count_tower_layers(model.encoder)
        self.empty = set(self.places)

    @torch.no_grad()
    def fill(self, piece: str, values: Tensor, where: str) -> None:
        """Write a piece, if the model has a use for it.

        Args:
            piece: Its name.
            values: Of any type.
            where: The file, and the name that it has there.

        Raises:
            ValueError: It belongs nowhere, or has another shape.
        """
        place = self._find(piece, values, where)
        if place is not None:
            place.copy_(values)
            self.empty.discard(piece)

    @torch.no_grad()
    def add(self, piece: str, values: Tensor, where: str) -> None:
        """Add to a piece, if the model has a use for it.

        Raises:
            ValueError: It belongs nowhere, or has another shape.
        """
        place = self._find(piece, values, where)
        if place is not None:
            place.add_(values)

    def _find(self, piece: str, values: Tensor, where: str) -> Tensor | None:
        place = self.places.get(piece)
        if place is None:
            if not (UNREAD.fullmatch(piece) or self._is_of_an_unread_layer(piece)):
                raise ValueError(
                    f"{where} has no place in the model that its config.json describes; copy it again"
                )
        elif place.shape != values.shape:
            raise ValueError(
                f"{where} is {list(values.shape)}, and its config.json makes it {list(place.shape)}; copy it "
                "again, or choose the base that it was trained on"
            )
        return place

    def _is_of_an_unread_layer(self, piece: str) -> bool:
        layer = TOWER_LAYER.match(piece)
        if layer is None or int(layer[1]) >= self._num_tower_layers:
            return False
        return not any(name.startswith(layer[0]) for name in self.places)


def _count_tower_layers(encoder: Encoder) -> int:
    while isinstance(encoder.network, Encoder):
        encoder = encoder.network
    return encoder.num_layers if isinstance(encoder, LayeredEncoder) else 0
