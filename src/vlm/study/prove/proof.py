"""The proof of a stage: trained for two steps, saved, resumed, read again, asked."""

import io
import shutil
import time
from collections.abc import Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from vlm.build import build_answerer
from vlm.build_data import build_dataset, build_readers
from vlm.data.sample import Prompt, opening
from vlm.run.folder import RunFolder
from vlm.sentence import PlannedStage
from vlm.study.prove.twin import NUM_STEPS
from vlm.study.prove.witness import Witness, WitnessTracker
from vlm.study.stage import load_model, train_stage
from vlm.training.task import Task

MAX_NEW_TOKENS = 8
NUM_PICTURES = 2
"""Sources of which a question about a picture is asked."""


@dataclass(frozen=True)
class PartProof:
    """What happened to a part's weights (tensors, not values).

    Args:
        weights: It has.
        learning: Should learn.
        without_gradient: Names of those of them that no gradient has reached.
        changed: Of those that should learn.
        disturbed: Of the others, which must be none.
    """

    weights: int
    learning: int
    without_gradient: tuple[str, ...]
    changed: int
    disturbed: int


@dataclass(frozen=True)
class StageProof:
    """What was seen of a stage.

    Args:
        losses: Of its steps (nats per supervised token).
        held_out_loss: Of what its sources hold out, after the last step (nats per token); None if nothing is.
        saw_pictures: Whether a step had any.
        parts: By name.
        resumed: Whether the last step, done again from the state before it, gave the same loss and the same
            files, to the bit.
        reloaded: Whether the model that is read from the run's files computes what the trained one does.
        seconds: It took.
    """

    losses: tuple[float, ...]
    held_out_loss: float | None
    saw_pictures: bool
    parts: Mapping[str, PartProof]
    resumed: bool
    reloaded: bool
    seconds: float

    def faults(self) -> list[str]:
        """Return what is wrong, a line each."""
        found = []
        if not self.resumed:
            found.append("the step after a resumed state is not the one that an uninterrupted run does")
        if not self.reloaded:
            found.append("the model read from its files does not compute what the trained one does")
        for name, part in self.parts.items():
            if part.disturbed:
                found.append(f"{part.disturbed} frozen weights of the {name} changed")
            if part.learning and not part.changed and (self.saw_pictures or name == "llm"):
                found.append(f"stage.learns.{name} says that it learns, but none of its weights changed")
        return found


def prove_stage(stage: PlannedStage, aside: Path) -> StageProof:
    """Train a small stage, whose stages before are trained, and see what becomes of it.

    Args:
        stage: Made small.
        aside: Folder in which its last step is done again.

    Raises:
        ValueError: It cannot be trained.
    """
    started = time.monotonic()
    again = replace(stage, folder=RunFolder(aside / stage.folder.path.name))
    witness = Witness(again.folder.checkpoints / "1")
    _train(stage, witness)
    repeated = Witness()
    _train(again, repeated)
    last, manifest = witness.notes[NUM_STEPS], stage.folder.read_manifest()
    resumed = (
        repeated.notes.keys() == {NUM_STEPS}
        and repeated.notes[NUM_STEPS]["train/loss"] == last["train/loss"]
        and _hashes(stage) == _hashes(again)
    )
    parts = _parts(manifest, witness)
    shutil.rmtree(again.folder.path)
    return StageProof(
        tuple(notes["train/loss"] for _, notes in sorted(witness.notes.items())),
        last.get("validation/loss"),
        any(notes["throughput/images_per_second"] for notes in witness.notes.values()),
        parts,
        resumed,
        _reloads(stage, witness.task),
        time.monotonic() - started,
    )


def _parts(manifest: Mapping[str, Any], witness: Witness) -> dict[str, PartProof]:
    """Return what happened to each part, by what the run says of itself and the witness saw of it."""
    return {
        name: PartProof(
            count["weights"],
            count["learning"],
            tuple(weight for weight, reached in witness.reached[name].items() if not reached),
            count["learned"],
            count["disturbed"],
        )
        for name, count in manifest["changed"].items()
    }


def _train(stage: PlannedStage, witness: Witness) -> None:
    stage.folder.path.mkdir(parents=True, exist_ok=True)
    with redirect_stdout(io.StringIO()):
        train_stage(stage, WitnessTracker(witness), "")


def _hashes(stage: PlannedStage) -> dict[str, str]:
    parts = stage.folder.read_manifest()["parts"]
    return {name: part["sha256"] for name, part in parts.items() if part["learned"]}


def _reloads(stage: PlannedStage, task: Task) -> bool:
    """Whether the files give the model that was trained: the same logits, to the bit."""
    for adapted in task.adapters.values():
        adapted.merge_and_unload(safe_merge=True)  # type: ignore[operator]
    trained, loaded = task.model.eval(), load_model(stage)
    row = build_dataset(stage.config, loaded)[0].rows[0]
    with torch.no_grad():
        first, second = (model.hidden_states(row) @ model.llm.head.T for model in (trained, loaded))
    return torch.equal(first, second)


def ask(stage: PlannedStage) -> list[str]:
    """Return what the trained stage says to questions of its own sources, and to one without a picture.

    Raises:
        ValueError: It cannot be asked.
    """
    model = load_model(stage)
    readers = list(build_readers(stage.config, model).values())[:NUM_PICTURES]
    prompts = [*(opening(reader.shards[0]) for reader in readers), Prompt("Hello?")]
    return build_answerer(stage.config, model, MAX_NEW_TOKENS)(prompts)
