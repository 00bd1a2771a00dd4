"""One device."""

from lightning.pytorch.strategies import Strategy as LightningStrategy

from vlm import ranks
from vlm.strategy.base import Strategy


class Single(Strategy):
    """One process, one device.

    Raises:
        ValueError: There are several.
    """

    is_group = False

    def __init__(self) -> None:
        if ranks.world_size() > 1:
            raise ValueError(
                f"strategy=single, but there are {ranks.world_size()} devices; choose strategy=fsdp2 or ddp"
            )

    def lightning(self, precision: str) -> tuple[LightningStrategy | str, str]:
        """Lightning's own choice for one device."""
        return "auto", precision
