"""What of a model is written: all of it, a LoRA adapter, or a connector alone."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum

from omegaconf import DictConfig, OmegaConf

from vlm.sentence import PlannedStage
from vlm.study.named import Named
from vlm.values import Learning


class Format(Enum):
    """Who is to read it."""

    huggingface = "huggingface"
    llava = "llava"
    parts = "parts"


class Extent(Enum):
    """How much of it is written."""

    whole = "a whole model"
    adapter = "a LoRA adapter and what else was trained"
    projector = "a projector alone"


@dataclass(frozen=True)
class Plan:
    """An export, thought through.

    Args:
        named: The model.
        planned: The same run, its frozen weights in all their bits.
        format: Who is to read it.
        extent: How much of it is written.
        has_published_tower: Whether its encoder is as it was published.
        remarks: What whoever uses it should know.
    """

    named: Named
    planned: PlannedStage
    format: Format
    extent: Extent
    has_published_tower: bool
    remarks: tuple[str, ...]


def plan(named: Named, kind: Format, merge: bool | None) -> Plan:
    """Think an export through.

    Args:
        named: The model.
        kind: Who is to read it.
        merge: Whether an adapter is merged into the weights beneath, and a connector comes with its LLM; None
            is as the format would have it.

    Raises:
        ValueError: It cannot be written so.
    """
    config, whole = named.planned.config, _with_all_bits(named.planned)
    extent = _extent(named, kind, merge)
    learned = not named.is_foreign and any(_learns(stage, "encoder") for stage in named.planned.lineage())
    published = (
        not config.twin and OmegaConf.select(config, "encoder.weights") == "pretrained" and not learned
    )
    return Plan(named, whole, kind, extent, published, tuple(_remarks(config)))


def _remarks(config: DictConfig) -> Iterator[str]:
    if config.adapter.get("four_bit") and _learns_by_adapter(config):
        yield (
            "Its LoRA was learned over an LLM of four bits, and is exported over the whole weights that "
            "those were made of, so it answers a little otherwise than the run did."
        )
    if config.twin:
        yield "It is a twin: small and random parts, that prove a sentence and know nothing."


def _with_all_bits(planned: PlannedStage) -> PlannedStage:
    """Return a run whose frozen LLM is read whole, if it was trained in four bits."""
    if not planned.config.adapter.get("four_bit"):
        return planned
    config = planned.config.copy()
    OmegaConf.set_readonly(config, False)
    config.adapter.four_bit = False
    OmegaConf.set_readonly(config, True)
    return replace(planned, config=config)


def _extent(named: Named, kind: Format, merge: bool | None) -> Extent:
    adapted = not named.is_foreign and _learns_by_adapter(named.planned.config)
    alone = kind is Format.llava and not named.is_foreign and _learns_projector_only(named.planned)
    if merge is not None and not (adapted or alone):
        raise ValueError(f"merge={str(merge).lower()} has no effect: no adapter was trained; leave it out")
    if kind is Format.huggingface:
        if merge is False:
            raise ValueError(
                "merge=false: transformers loads whole models; leave it out, or say format=parts"
            )
        return Extent.whole
    if merge:
        return Extent.whole
    if adapted:
        _require_plain_base(named.planned, kind)
        return Extent.adapter
    return Extent.projector if alone and _has_published_llm(named.planned.config) else Extent.whole


def _require_plain_base(planned: PlannedStage, kind: Format) -> None:
    """Refuse an adapter that stands beside weights that nobody else has, or that its readers cannot read.

    Raises:
        ValueError: So it is.
    """
    remedy = "say merge=true"
    if planned.after and any(_learns(stage, "llm") for stage in planned.after.lineage()):
        raise ValueError(f"the LLM had learned before its adapter did, and nobody has that; {remedy}")
    if not _has_published_llm(planned.config):
        raise ValueError(f"the LLM beneath the adapter has random weights, which nobody has; {remedy}")
    if kind is Format.llava and planned.config.adapter.get("decompose"):
        raise ValueError(f"LLaVA's code reads LoRA, and this is DoRA (adapter.decompose); {remedy}")


def _has_published_llm(config: DictConfig) -> bool:
    return bool(not config.twin and config.llm.weights != "random")


def _learns_by_adapter(config: DictConfig) -> bool:
    return bool(config.stage.learns.get("llm") is Learning.adapter)


def _learns(stage: PlannedStage, part: str) -> bool:
    return bool(stage.config.stage.learns[part] is not Learning.frozen)


def _learns_projector_only(planned: PlannedStage) -> bool:
    return not any(_learns(stage, part) for stage in planned.lineage() for part in ("encoder", "llm"))
