"""A model that is named, not composed: a run's folder, a tracker's run, or what somebody else has trained."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from vlm.build import build_model
from vlm.compose import Sentence, compose_sentence
from vlm.config import PARTS, Run
from vlm.exchange.foreign import Foreign, recognise
from vlm.exchange.to_parts import beside
from vlm.model.vision_language import VisionLanguageModel
from vlm.run.fingerprint import fingerprint
from vlm.run.folder import RunFolder
from vlm.run.trace import read_trace
from vlm.sentence import PlannedStage
from vlm.study.folders import find_folder, folder_before
from vlm.study.stage import load_model
from vlm.study.states import find_state

ITS_OWN = (
    "encoder", "projector", "llm", "adapter", "stage", "mixture", "template", "seed", "twin", "parity",
    "experiment",
)  # fmt: skip
"""What a trained model brings along; words that say otherwise would have no effect."""
OURS = re.compile(
    r"vlm\.((encoder|projector|llm|adapter|data|tracking|benchmark|judge)(\.\w+)+\.[A-Z]\w+|strategy(\.\w+)+)"
)
"""A config that came with weights may make objects of the classes of such groups, and no other."""


@dataclass(frozen=True)
class Named:
    """A model to be asked.

    Args:
        sentence: That asks it, with the model's own parts in it.
        planned: Where its scores are kept.
        load: Returns it, ready to answer.
        step: Of the resumable state that it is; None is a finished run, or what somebody else has trained.
    """

    sentence: Sentence
    planned: PlannedStage
    load: Callable[[], VisionLanguageModel]
    step: int | None = None

    @property
    def is_foreign(self) -> bool:
        """Whether somebody else has trained it."""
        return "imported" in self.planned.identity


def open_named(where: str, base: str | None, words: Sequence[str]) -> Named:
    """Find a model.

    Args:
        where: A run's folder; a folder as LLaVA or transformers writes it; or a run of the tracker.
        base: Folder of the LLM that a folder with less than a whole model was trained from.
        words: Of the sentence that asks.

    Raises:
        ValueError: There is none, or words say what the model brings along.
    """
    folder = find_folder(where, words, f"run={where}")
    if _is_run(folder):
        _refuse_what_it_has(where, words)
        sentence = _with_parts_of(compose_sentence(words), folder)
        planned = _read_run(folder, sentence.config)
        return of_run(sentence, planned, f"run={where}")
    foreign = recognise(folder, Path(base).expanduser() if base else None)
    if foreign is None:
        raise ValueError(
            f"run={where} is neither a run of ours (manifest.json) nor a folder of LLaVA's or "
            "transformers' (config.json); name one"
        )
    return _open_foreign(foreign, folder, words)


def _is_run(folder: Path) -> bool:
    run = RunFolder(folder)
    return run.is_finished or (run.config.is_file() and run.trace.is_file())


def of_run(sentence: Sentence, planned: PlannedStage, said: str) -> Named:
    """Return a run, as it ended or as it stood at `checkpoint`.

    Args:
        sentence: That asks.
        planned: The run.
        said: What names it, for messages.

    Raises:
        ValueError: It has not ended, or has no such state.
    """
    wanted = sentence.config.checkpoint
    step = find_state(planned, wanted) if wanted else None
    if step is None and not planned.folder.is_finished:
        raise ValueError(f"{said} is not trained to its end; finish it, or say checkpoint=last")
    return Named(sentence, planned, partial(load_model, planned, step), step)


def _refuse_what_it_has(where: str, words: Sequence[str]) -> None:
    for word in words:
        if word.lstrip("+~").split("=")[0].split("@")[0].split(".")[0] in ITS_OWN:
            raise ValueError(f"{word} has no effect: run={where} has its own; leave it out")


def _with_parts_of(sentence: Sentence, folder: Path) -> Sentence:
    """Return the sentence with the parts and the stage of a run in place of its own.

    Raises:
        ValueError: The run's config is of another version, or names what is not ours.
    """
    kept = OmegaConf.load(folder / "config.yaml")
    assert isinstance(kept, DictConfig)
    check_targets(kept, folder / "config.yaml")
    for part in PARTS:
        kept[part] = OmegaConf.create(beside(OmegaConf.to_container(kept[part]), folder))
    config = sentence.config.copy()
    OmegaConf.set_readonly(config, False)
    try:
        its_own = {key: kept[key] for key in ITS_OWN if key in kept}
        for key, node in OmegaConf.merge(OmegaConf.structured(Run), its_own).items_ex(resolve=False):
            if key in its_own:
                config[key] = node
    except OmegaConfBaseException as error:
        raise ValueError(
            f"{folder}/config.yaml was written by another version of vlm ({str(error).splitlines()[0]}); "
            "evaluate it with that one"
        ) from error
    OmegaConf.set_readonly(config, True)
    return replace(sentence, config=config)


def check_targets(node: Any, path: Path) -> None:
    """Refuse a config that would make anything but our own objects.

    Raises:
        ValueError: It would.
    """
    if OmegaConf.is_config(node):
        node = OmegaConf.to_container(node)
    for key, value in node.items() if isinstance(node, dict) else enumerate(node):
        if key == "_target_" and not OURS.fullmatch(str(value)):
            raise ValueError(f"{path} names {value}, which is no part of vlm's; do not use this folder")
        if isinstance(value, dict | list):
            check_targets(value, path)


def _read_run(folder: Path, config: DictConfig) -> PlannedStage:
    """Return a finished run, whatever its folder is called; runs before it lie beside it.

    Raises:
        ValueError: A run that it starts from is not there.
    """
    run = RunFolder(folder)
    identity = _identity(run)
    after = None
    if identity["after"]:
        before = folder_before(folder, identity["after"])
        inner = config.copy()
        OmegaConf.set_readonly(inner, False)
        inner.mixture, inner.stage = config.stage.after.mixture, config.stage.after
        OmegaConf.set_readonly(inner, True)
        after = _read_run(before, inner)
    return PlannedStage(config, identity, run, after)


def _identity(run: RunFolder) -> dict[str, Any]:
    """Return what a run's fingerprint was taken of, as it says at its end or its start."""
    if run.is_finished:
        identity: dict[str, Any] = run.read_manifest()["identity"]
        return identity
    trace = read_trace(run.trace)
    if trace is None or not trace.starts:
        raise ValueError(f"{run.trace} does not say what was trained; name the run by its words")
    found: dict[str, Any] = trace.starts[0]["identity"]
    return found


def _open_foreign(foreign: Foreign, folder: Path, words: Sequence[str]) -> Named:
    sentence = compose_sentence([*foreign.words, *words])
    # Not of where it lies: a folder that was moved has been asked before.
    said = [word for word in [*foreign.words, *words] if ".checkpoint=" not in word]
    its_own = [word for word in said if not word.startswith(("evaluation", "+benchmark@", "paths."))]
    name = fingerprint({"words": its_own, "content": foreign.content()})
    home = RunFolder(Path(sentence.config.paths.runs) / f"imported-{name}")
    planned = PlannedStage(sentence.config, {"imported": str(folder)}, home, None)

    def load() -> VisionLanguageModel:
        model = build_model(sentence.config)
        model.configure_model()
        foreign.load(model)
        return model.eval()

    return Named(sentence, planned, load)
