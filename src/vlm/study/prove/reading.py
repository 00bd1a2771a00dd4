"""What the real run would read: whether it is there, how long it is, how much of it is learned."""

from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from pathlib import Path

from omegaconf import DictConfig, ListConfig, OmegaConf

from vlm.build import plan_model
from vlm.build_data import build_readers, draw_counts
from vlm.config import PARTS
from vlm.data.document import DocumentReader
from vlm.data.gate import SourceReport, look
from vlm.data.measure import Measures
from vlm.data.shards import ShardSource
from vlm.model.vision_language import VisionLanguageModel
from vlm.sentence import source_shards, sources
from vlm.study.prove.files import offline
from vlm.study.prove.lint import Level, Lint
from vlm.study.prove.twin import lend_template


@dataclass(frozen=True)
class Reading:
    """What is seen of a stage's sources.

    Args:
        lints: What is wrong with them.
        reports: Of each; nothing, if one is missing.
        lengths: Samples of each that are learned from.
    """

    lints: Sequence[Lint]
    reports: Sequence[SourceReport] = ()
    lengths: Mapping[str, int] = field(default_factory=dict)


def look_at_data(config: DictConfig, model: VisionLanguageModel) -> Reading:
    """Look at a shard of each source of a sentence's outermost stage, as the gate before its first step will.

    Texts are cut by the LLM's own tokenizer, if that is here, else by the packaged one.

    Args:
        config: The sentence.
        model: Planned; of its own tokenizer or a lent one when this is done.
    """
    present = [name for name in sources(config) if _why_missing(config, name) is None]
    missing = list(_missing(config))
    own = has_tokenizer(model)
    here = OmegaConf.create(config, flags={"readonly": False})
    if not own:
        _lend_words(config, model)
        lend_template(here)
    here.mixture = {name: config.mixture[name] for name in present}
    if not here.mixture:
        return Reading(missing)
    try:
        readers = build_readers(here, model)
    except ValueError as error:
        return Reading([*missing, Lint(Level.error, str(error))])
    cache = Path(config.paths.cache) / "measures"
    number = config.trainer.gate.samples or 1
    reports = [look(Measures(_first_shard(reader), cache), number) for reader in readers.values()]
    lints = [*missing, *(lint for report in reports for lint in _faults(config, report, own))]
    if missing:
        return Reading(lints)
    return Reading(lints, reports, {name: len(reader) for name, reader in readers.items()})


def supervised_tokens(config: DictConfig, reading: Reading) -> float | None:
    """Return the supervised tokens of a step, on average; None if not everything is there."""
    if not reading.reports:
        return None
    drawn = draw_counts(config, reading.lengths)
    mean = sum(drawn[report.name] * report.learned for report in reading.reports) / sum(drawn.values())
    return mean * float(config.stage.batch_size)


def begin_too_late(config: DictConfig, reading: Reading) -> Iterator[Lint]:
    """Find parts whose first step the stage never takes, if it is known how many it takes."""
    stage = config.stage
    if config.budget.of or (stage.steps is None and not reading.reports):
        return
    samples = 0 if stage.steps else sum(draw_counts(config, reading.lengths).values()) * stage.epochs
    steps = stage.steps or -(-round(samples) // stage.batch_size)
    steps = min(steps, config.trainer.max_steps or steps)
    for part in PARTS:
        first = stage.optimizer[part].first_step
        if first and first >= steps:
            yield Lint(
                Level.error,
                f"stage.optimizer.{part}.first_step={first}, but stage {stage.name} ends after {steps} "
                "steps; lower it",
            )


def has_tokenizer(model: VisionLanguageModel) -> bool:
    """Whether the LLM's own tokenizer is on this machine."""
    with offline(model.llm.source):
        try:
            model.llm.tokenizer  # noqa: B018 (reads it)
        except ValueError:
            return False
    return True


def _first_shard(reader: DocumentReader) -> DocumentReader:
    """Return a reader of one shard: each is measured whole, and somebody waits."""
    short = copy(reader)
    short.shards = ShardSource(reader.shards.name, reader.shards.shards[:1], reader.shards.without_text)
    return short


def _why_missing(config: DictConfig, name: str) -> str | None:
    try:
        source_shards(config, name)
    except ValueError as error:
        return str(error)
    return None


def _missing(config: DictConfig) -> Iterator[Lint]:
    """Tell which sources are not there, in a line for all of them, and one for those that will be."""
    lost = {name: why for name in sources(config) if (why := _why_missing(config, name)) is not None}
    later = [name for name in lost if isinstance(config.mixture[name].made_by, ListConfig)]
    lost = {name: why for name, why in lost.items() if name not in later}
    if later:
        said = f"vlm train makes what is not there by commands (made_by): {', '.join(later)}"
        yield Lint(Level.note, f"stage {config.stage.name}: {said}")
    if lost:
        first, *others = lost
        more = f"; missing, too: {', '.join(others)}" if others else ""
        yield Lint(Level.error, f"stage {config.stage.name}: {lost[first]}{more}")


def _lend_words(config: DictConfig, model: VisionLanguageModel) -> None:
    """Let texts be cut by the packaged tokenizer, to the length that the real LLM reads."""
    twin = OmegaConf.create(config, flags={"readonly": False})
    twin.twin = True
    context, model.llm = model.llm.context_length, plan_model(twin).llm
    model.llm.context_length = context


def _faults(config: DictConfig, report: SourceReport, own: bool) -> Iterator[Lint]:
    """Tell what the gate will stop, and what it will let pass though a step may stop at it."""
    counted = "" if own else " (counted with the packaged tokenizer, whose words are short)"
    complaint = report.complaint(config.trainer.gate.tolerance)
    if complaint:
        yield Lint(Level.error if own else Level.warning, f"stage {config.stage.name}: {complaint}{counted}")
        return
    said = ", ".join(f"{count} {kind}" for kind, count in report.faults.items() if count)
    if said:
        yield Lint(
            Level.warning,
            f"stage {config.stage.name}: mixture.{report.name}: of {report.seen} samples, {said} at a "
            f"context of {report.limit}{counted}; raise llm.context_length, or look: vlm data inspect",
        )
