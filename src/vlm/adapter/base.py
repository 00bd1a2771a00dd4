"""An adapter lets a part learn through a few added weights."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

from torch import nn


class Adapter:
    """The contract of every adapter; plain settings, which hold no weights."""

    @property
    def quantization(self) -> Any:
        """How transformers must load the frozen weights beneath it; None loads them whole."""
        return None

    @abstractmethod
    def attach(self, part: str, network: nn.Module) -> nn.Module:
        """Freeze a network and add the weights that learn, in place.

        Args:
            part: Its name, for messages.
            network: The part's, built.

        Returns:
            peft's model around the network, which saves and merges.

        Raises:
            ValueError: There is nothing to add, or no place to add it.
        """

    @classmethod
    def twin(cls, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Return the settings of a small adapter of the same wiring."""
        return dict(settings)
