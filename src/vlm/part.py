"""What an encoder and an LLM have in common: weights that somebody published."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import lightning


class Part(lightning.LightningModule):
    """A part with published weights.

    Args:
        licence: SPDX name or a short text, of the weights.
    """

    def __init__(self, licence: str) -> None:
        super().__init__()
        self.licence = licence

    @classmethod
    @abstractmethod
    def twin(cls, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Return the settings of a small random part of the same class and wiring."""

    @abstractmethod
    def locate(self) -> None:
        """Find the files that it needs, on this machine or on the hub.

        Raises:
            ValueError: Some are missing, damaged, or not what the settings state; the message says which,
                and where to put them.
        """

    @property
    @abstractmethod
    def source(self) -> str:
        """Where its weights are published."""
