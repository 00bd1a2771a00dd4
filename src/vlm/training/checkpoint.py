"""Resumable states of a run: `checkpoints/<step>/`, written beside the training, whole or not at all.

Every device writes its shares as safetensors (torch's distributed checkpoints in that form), so a state can
be read on any other number of devices, and reading one runs no code that came with it.
"""

import json
import shutil
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from functools import partial as partial_of
from pathlib import Path
from typing import Any

from torch import Tensor
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader, HuggingFaceStorageWriter
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import async_save

from vlm import ranks
from vlm.run.folder import write_json
from vlm.tensor_file import first_line

FACTS = "state.json"


class Checkpoints:
    """The states of one run.

    Args:
        folder: `checkpoints` of the run's folder.
        keep_last: How many of the newest are kept.
        keep_best: Whether the one of the lowest validation loss is kept, however old.
    """

    def __init__(self, folder: Path, keep_last: int = 1, keep_best: bool = False) -> None:
        self.folder, self.keep_last, self.keep_best = folder, keep_last, keep_best
        self._pending: Future[Any] | None = None

    def steps(self) -> list[int]:
        """Return the steps that states stand at, ascending."""
        return sorted(int(path.parent.name) for path in self.folder.glob(f"*/{FACTS}"))

    def best(self) -> int | None:
        """Return the step of the lowest validation loss; None if none was measured."""
        losses = {step: self.facts(step)["validation_loss"] for step in self.steps()}
        known = {step: loss for step, loss in losses.items() if loss is not None}
        return min(known, key=lambda step: known[step]) if known else None

    def forget_after(self, step: int) -> None:
        """Delete the states of later steps."""
        for later in (found for found in self.steps() if found > step):
            shutil.rmtree(self.folder / str(later))

    def keep_only_best(self) -> None:
        """Delete all states, but for the best one if it is to be kept."""
        best = self.best() if self.keep_best else None
        for other in set(self.steps()) - {best}:
            shutil.rmtree(self.folder / str(other))
        if not self.steps():
            shutil.rmtree(self.folder, ignore_errors=True)

    def facts(self, step: int) -> dict[str, Any]:
        """Return what was noted of a state."""
        facts: dict[str, Any] = json.loads((self.folder / str(step) / FACTS).read_text())
        return facts

    def save(self, step: int, state: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        """Copy a state, then write it in another thread while training goes on.

        Args:
            step: That it stands at.
            state: Tensors of this device, by name; shares are DTensors.
            facts: To be noted: `validation_loss`, or None, among them.
        """
        self.wait()
        partial = self.folder / f".{step}.partial"
        if not ranks.rank():
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(parents=True)
        ranks.agreed(None)  # the folder is there
        pending = async_save(
            dict(state),
            storage_writer=HuggingFaceStorageWriter(str(partial), save_distributed=True),
            process_group=ranks.side_group("checkpoints"),
            no_dist=ranks.world_size() == 1,
        )
        assert isinstance(pending, Future)
        complete = partial_of(self._complete, partial, step, facts)
        # The first device's write ends when everybody's has.
        self._pending = pending if ranks.rank() else _then(pending, complete)

    def _complete(self, partial: Path, step: int, facts: Mapping[str, Any]) -> None:
        write_json(partial / FACTS, {**facts, "step": step})
        whole = self.folder / str(step)
        shutil.rmtree(whole, ignore_errors=True)
        partial.replace(whole)
        kept = {*self.steps()[-self.keep_last :], *([self.best()] if self.keep_best else [])}
        for old in set(self.steps()) - kept:
            shutil.rmtree(self.folder / str(old), ignore_errors=True)

    def wait(self) -> None:
        """Wait until the last save is written.

        Raises:
            OSError: It could not be.
        """
        if self._pending:
            try:
                self._pending.result()
            except CheckpointException as error:
                causes = [cause for cause, _ in error.failures.values() if isinstance(cause, OSError)]
                raise (causes[0] if causes else error) from error
            self._pending = None
        ranks.agreed(None)

    def load(self, step: int, state: Mapping[str, Tensor]) -> None:
        """Read a state into tensors, in place.

        Raises:
            ValueError: It is damaged, or of other tensors.
        """
        folder = self.folder / str(step)
        remedy = "delete it to go on from an earlier one, or say resume=never"
        try:
            reader = HuggingFaceStorageReader(str(folder))
            found = reader.read_metadata().state_dict_metadata
        except Exception as error:
            raise ValueError(f"{folder} is no state to go on from ({first_line(error)}); {remedy}") from error
        for name, tensor in state.items():
            if name not in found or getattr(found[name], "size", None) != tensor.shape:
                raise ValueError(f"{folder} does not fit the model at {name}; {remedy}")
        load(
            dict(state),
            storage_reader=HuggingFaceStorageReader(str(folder)),
            process_group=ranks.side_group("checkpoints"),
            no_dist=ranks.world_size() == 1,
        )


def _then(written: Future[Any], complete: Callable[[], None]) -> Future[None]:
    """Return a future that is done when something has been done after another."""
    done: Future[None] = Future()

    def go_on(written: Future[Any]) -> None:
        try:
            written.result()
            complete()
            done.set_result(None)
        except BaseException as error:  # whoever waits shall hear of it
            done.set_exception(error)

    written.add_done_callback(go_on)
    return done
