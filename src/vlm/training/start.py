"""Parts as a stage starts them: built, given the weights of the stages before, frozen or not, spread."""

import torch
from torch import nn

from vlm.adapter.base import Adapter
from vlm.config import PARTS
from vlm.model.vision_language import VisionLanguageModel
from vlm.strategy.base import Strategy
from vlm.training.blocks import fuse, prepare_blocks
from vlm.training.parts import learning_parts, set_learning
from vlm.training.plan import Plan
from vlm.training.shares import begin_adapters, materialise
from vlm.training.weights import load_weights


def start_parts(
    model: VisionLanguageModel, adapter: Adapter, strategy: Strategy, plan: Plan
) -> dict[str, nn.Module]:
    """Build a model as a stage's first step wants it.

    Returns:
        peft's models around the parts that learn by an adapter, by name.

    Raises:
        ValueError: A part's files are damaged or do not fit, or it cannot learn or be spread so.
    """
    stage, trainer = plan.stage, plan.trainer
    by_rows = _can_be_read_by_rows(model, strategy, plan)
    if by_rows:
        model.llm.build_empty()
    model.configure_model()
    for folder in plan.starting_weights:
        load_weights(model, folder, ("encoder", "projector") if by_rows else PARTS)
    adapters = set_learning(model, stage.learns, stage.last_blocks, adapter)
    if trainer.precision.startswith("bf16"):
        _halve_frozen(model)
    fuse(model.llm.get_submodule("network"), trainer.kernels)
    seen, read = ([block for stack in part.blocks for block in stack] for part in (model.encoder, model.llm))
    prepare_blocks(read, trainer.activation_checkpointing, trainer.compile)
    if "encoder" in learning_parts(model):
        prepare_blocks(seen, trainer.activation_checkpointing, compiled=False)  # pictures come in any number
    inner = [*seen, model.encoder, model.projector, *read]
    if by_rows:
        begin_adapters(model.llm)
    strategy.spread(model, inner, trainer.precision, plan.device)
    if by_rows:
        _read_by_rows(model, strategy, plan)
    return adapters


def _can_be_read_by_rows(model: VisionLanguageModel, strategy: Strategy, plan: Plan) -> bool:
    """Whether no device need ever hold the LLM whole; to merge an adapter, it must."""
    adapted = any((folder / "llm").is_dir() for folder in plan.starting_weights)
    return strategy.shares_rows and model.llm.can_be_read_by_rows and not adapted


def _read_by_rows(model: VisionLanguageModel, strategy: Strategy, plan: Plan) -> None:
    """Read each device's rows of the LLM, and lay over them what earlier stages made of it.

    Raises:
        ValueError: Its files are damaged or do not fit.
    """
    try:
        materialise(
            model.llm.get_submodule("network"),
            "cpu" if strategy.offloads else plan.device,
            model.llm.published(),
        )
    except (KeyError, ValueError) as error:
        raise ValueError(
            f"llm.checkpoint={model.llm.source} does not fit ({error}); copy it again"
        ) from error
    for folder in plan.starting_weights:
        load_weights(model, folder, ("llm",))


def _halve_frozen(model: nn.Module) -> None:
    """Keep what does not learn in the bits that it is computed in: it needs no master copy."""
    for weight in model.parameters():
        if not weight.requires_grad and weight.is_floating_point():
            weight.data = weight.data.to(torch.bfloat16)
