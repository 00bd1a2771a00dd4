"""What suits the number of devices."""

from vlm import ranks
from vlm.strategy.base import Strategy
from vlm.strategy.fsdp2 import FSDP2
from vlm.strategy.single import Single


def automatic(hybrid: bool, cpu_offload: bool) -> Strategy:
    """Return `single` for one device and `fsdp2` for several, with its settings."""
    return FSDP2(hybrid, cpu_offload) if ranks.world_size() > 1 else Single()
