"""What a tracker is told of a run: a name that says what differs, few params, a description in Markdown."""

from collections.abc import Mapping, Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf

from vlm.config import PARTS
from vlm.paths import config_dir
from vlm.sentence import PlannedStage, sources
from vlm.study.comparison.rows import split_word

WHERE = {"name", "cell", "parent", "paths", "tracking", "resume"}
"""Keys that say where a run is, and not what."""
UNTOLD = WHERE.union(
    ("_target_", "config", "licence", "made_by", "shards", "count"),  # a word stands for them
    ("evaluation", "cache_gib", "num_workers", "gate", "log_every", "look_every", "look_samples"),
    ("validate_every", "sample_answers", "checkpoint_every", "keep_last", "keep_best", "requeue"),
    ("after",),  # has a run of its own
)
"""Keys whose values are left to the config artifact, unless somebody says them."""
NONE = "None"
"""How Hydra spells the choice of an optional group that nobody made."""


def words_of(choices: Mapping[str, str]) -> dict[str, str]:
    """Return the word of each group of a sentence; of stages before the outermost, none."""
    return {
        group: word
        for group, word in choices.items()
        if "@" not in group and group not in WHERE and word != NONE
    }


def stage_words(choices: Mapping[str, str], stage: PlannedStage, outermost: PlannedStage) -> dict[str, str]:
    """Return the words that make one stage of a sentence."""
    depth = len(list(outermost.lineage())) - len(list(stage.lineage()))
    before = "stage" + depth * ".after"
    mixture = choices.get(f"mixture@{before}.mixture") if depth else choices["mixture"]
    words = {part: choices[part] for part in (*PARTS, "adapter")} | {"stage": stage.name}
    return words | ({"mixture": mixture} if mixture else {})


def name_of(overrides: Sequence[str], axes: Sequence[str], otherwise: str) -> str:
    """Return the words that tell a cell from others of its sweep; of a sentence by itself, all of them.

    Args:
        overrides: What was said.
        axes: Keys that differ between cells; none if it is not a sweep's.
        otherwise: If nothing was said.
    """
    telling = [word for word in overrides if not axes or word.partition("=")[0] in axes]
    return " ".join(telling) or otherwise


def param_of(key: str) -> str:
    """Return the param that keeps what an override of this key says: `stage@stage.after` is `stage.after`."""
    return key.lstrip("+~").rpartition("@")[2]


def params_of(config: DictConfig, words: Mapping[str, str], overrides: Sequence[str]) -> dict[str, Any]:
    """Return every value that is set and tells something, what was said beside, and the words."""
    said = {param_of(key): value for key, value in map(split_word, overrides)}
    told = {key: value for key, value in said.items() if key.partition(".")[0] not in WHERE}
    leaves = dict(_leaves(OmegaConf.to_container(config, resolve=True, enum_to_str=True)))
    return {**leaves, **told, **words}


def _leaves(node: Any, prefix: str = "") -> list[tuple[str, Any]]:
    """Flatten a config: `stage.optimizer.learning_rate`, ..."""
    if isinstance(node, dict):
        kept = {key: value for key, value in node.items() if key not in UNTOLD}
        return [leaf for key, value in kept.items() for leaf in _leaves(value, f"{prefix}{key}.")]
    return [] if node is None or node == [] else [(prefix.removesuffix("."), node)]


def question_of(choices: Mapping[str, str]) -> str:
    """Return what an experiment asks: the comment that its file opens with; empty if there is none."""
    name = choices.get("experiment", NONE)
    if name == NONE:
        return ""
    lines = (config_dir() / "experiment" / f"{name}.yaml").read_text("utf-8").splitlines()
    asked: list[str] = []
    for line in lines[1:] if lines[:1] == ["# @package _global_"] else lines:
        if not line.startswith("#"):
            break
        text = line.lstrip("# ")
        asked += ["", text] if text.startswith("Expected") else [text]  # which begins a paragraph
    return "\n".join(asked).strip()


def describe_sweep(question: str, words: Sequence[str]) -> str:
    """Say what a sweep is to answer, and how to run it again."""
    return f"{question}\n\n`vlm train -m {' '.join(words)}`".strip()


def describe_cell(planned: PlannedStage, words: Mapping[str, str], overrides: Sequence[str]) -> str:
    """Say a cell's words, and what of it was trained before."""
    lines = [f"`{' '.join(overrides) or 'no word: the default'}`", ""]
    lines += [", ".join(f"{group} **{word}**" for group, word in words.items()), ""]
    for stage in planned.lineage():
        known = "was trained before" if stage.folder.is_finished else "is trained now"
        lines.append(f"- {stage.name} {known}: `{stage.folder}`")
    return "\n".join(lines)


def describe_stage(stage: PlannedStage) -> str:
    """Say what learns, from which data, and what it starts from."""
    config = stage.config.stage
    by_kind: dict[str, list[str]] = {}
    for part, learning in config.learns.items():
        by_kind.setdefault(learning.value, []).append(str(part))
    learns = "; ".join(f"{kind}: {', '.join(parts)}" for kind, parts in by_kind.items())
    read = ", ".join(_amount(name, source) for name, source in sources(stage.config).items())
    start = f"`{stage.after.folder}`" if stage.after else "the parts as they come"
    return f"- learns: {learns}\n- reads: {read}, {config.batch_size} samples a step\n- starts from: {start}"


def _amount(name: str, source: DictConfig) -> str:
    if source.samples is not None:
        return f"{name} ({source.samples} samples)"
    return name if source.weight == 1 else f"{name} (weight {source.weight:g})"
