"""No adapter."""

from torch import nn

from vlm.adapter.base import Adapter


class NoAdapter(Adapter):
    """Parts learn in full or not at all."""

    def attach(self, part: str, network: nn.Module) -> nn.Module:
        """Refuse.

        Raises:
            ValueError: Always.
        """
        raise ValueError(f"stage.learns.{part}=adapter, but adapter=none; choose adapter=lora128")
