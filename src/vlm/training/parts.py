"""Which parts learn in a stage, and how much of each; all else is frozen."""

from collections.abc import Mapping

from torch import nn
from torch.distributed.fsdp import FSDPModule

from vlm.adapter.base import Adapter
from vlm.config import PARTS
from vlm.model.vision_language import VisionLanguageModel
from vlm.values import Learning


def set_learning(
    model: VisionLanguageModel,
    learns: Mapping[str, Learning],
    last_blocks: Mapping[str, int],
    adapter: Adapter,
) -> dict[str, nn.Module]:
    """Freeze or free each part, or let it learn by its last blocks or an adapter.

    Args:
        model: Built.
        learns: How each part takes part.
        last_blocks: How many blocks learn, of the parts that learn by blocks.
        adapter: Of the parts that learn by it.

    Returns:
        peft's models around the parts that learn by an adapter, by name.

    Raises:
        ValueError: `learns` names other parts, a part cannot learn so, or nothing learns.
    """
    _check(learns, last_blocks)
    adapted = {}
    for name in PARTS:
        part = model.get_submodule(name)
        how = learns[name]
        part.requires_grad_(how is Learning.full).train(how in (Learning.full, Learning.adapter))
        if how is Learning.blocks:
            _free_blocks(name, part, last_blocks)
        elif how is Learning.adapter:
            _require_network(name, part)
            adapted[name] = adapter.attach(name, part.network)  # type: ignore[arg-type]
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise ValueError(
            "stage.learns leaves nothing to learn; set a part that has weights to full "
            "(projector=identity has none)"
        )
    return adapted


def _check(learns: Mapping[str, Learning], last_blocks: Mapping[str, int]) -> None:
    if set(learns) != set(PARTS):
        raise ValueError(f"stage.learns must name {', '.join(PARTS)}; got {', '.join(learns)}")
    idle = [name for name in last_blocks if learns.get(name) is not Learning.blocks]
    if idle:
        raise ValueError(f"stage.last_blocks.{idle[0]} has no effect; set stage.learns.{idle[0]}=blocks")


def _free_blocks(name: str, part: nn.Module, last_blocks: Mapping[str, int]) -> None:
    """Free the last blocks of each transformer in the part."""
    _require_network(name, part)
    if name not in last_blocks:
        raise ValueError(f"stage.learns.{name}=blocks, but not how many; set +stage.last_blocks.{name}=2")
    number = last_blocks[name]
    for stack in part.blocks:  # type: ignore[union-attr]
        if not 1 <= number <= len(stack):
            raise ValueError(f"stage.last_blocks.{name} must be between 1 and {len(stack)}, got {number}")
        for block in list(stack)[-number:]:
            block.requires_grad_(True).train()


def _require_network(name: str, part: nn.Module) -> None:
    if not hasattr(part, "network"):
        raise ValueError(f"stage.learns.{name} must be frozen or full: it is no transformer")


def learning_parts(model: VisionLanguageModel) -> dict[str, nn.Module]:
    """Return the parts in which something learns, by name."""
    parts = {name: model.get_submodule(name) for name in PARTS}
    return {
        name: part
        for name, part in parts.items()
        if any(weight.requires_grad for weight in part.parameters())
    }


def kind_of(part: nn.Module) -> type:
    """Return a part's class: torch's second form of sharding puts one of its own in front."""
    kind = type(part)
    return kind.__mro__[2] if isinstance(part, FSDPModule) else kind


def describe_parts(model: VisionLanguageModel) -> str:
    """Return a table: part, class, parameters, and how many of them learn."""
    lines = []
    for name in PARTS:
        part = model.get_submodule(name)
        count = sum(weight.numel() for weight in part.parameters())
        learning = sum(weight.numel() for weight in part.parameters() if weight.requires_grad)
        verb = "frozen" if not learning else "learns" if learning == count else f"{learning:,} learn"
        lines.append(f"  {name:<10} {kind_of(part).__name__:<18} {count:>14,} parameters  {verb}")
    return "\n".join(lines)
