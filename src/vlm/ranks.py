"""Which process of a group this is, and what the processes of a group agree on.

A group is started from outside, by torchrun, which says all of this in the environment; a process that
nobody started so is a group of its own.
"""

import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

FAILURE_FILE = "TORCHELASTIC_ERROR_FILE"
PATIENCE = timedelta(days=7)
"""How long a process waits for what only the first one does: another run's lock, an evaluation."""


def rank() -> int:
    """Return this process's number in the group."""
    return int(os.environ.get("RANK", "0"))


def local_rank() -> int:
    """Return this process's number on its machine, which is its device's."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def world_size() -> int:
    """Return how many processes the group has, each with a device."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def machine_size() -> int:
    """Return how many of them are on this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


def is_started_as_one_of_many() -> bool:
    """Whether somebody started this process as one of a group."""
    return "RANK" in os.environ


def report_failure(message: str, users: bool) -> None:
    """Leave what went wrong in this process where the group's starter reads it.

    Args:
        message: A line, or a traceback.
        users: Whether the user can mend it.
    """
    failure = {"message": message, "timestamp": int(time.time()), "users": users}
    Path(os.environ[FAILURE_FILE]).write_text(json.dumps(failure))


def node() -> int:
    """Return this machine's number in a Slurm job."""
    return int(os.environ.get("SLURM_NODEID", "0"))


@contextmanager
def joined(accelerator: str, alone: bool) -> Iterator[None]:
    """Join the group: on the CPU by gloo, on GPUs by NCCL for tensors that lie there.

    Args:
        accelerator: As Lightning calls it.
        alone: Whether a process that nobody started as one of many makes a group of its own.
    """
    import torch  # noqa: PLC0415 (this page is read before a verb is chosen)
    from torch import distributed  # noqa: PLC0415

    if distributed.is_initialized() or not (alone or is_started_as_one_of_many()):
        yield
        return
    on_gpu = accelerator != "cpu" and torch.cuda.is_available()
    if on_gpu:
        torch.cuda.set_device(local_rank())
    place: dict[str, Any] = {} if is_started_as_one_of_many() else {"rank": 0, "world_size": 1}
    distributed.init_process_group(
        "cpu:gloo,cuda:nccl" if on_gpu else "gloo",
        device_id=torch.device("cuda", local_rank()) if on_gpu else None,
        store=torch._C._distributed_c10d.HashStore() if place else None,
        **place,
    )
    try:
        yield
    finally:
        distributed.destroy_process_group()
        _side_groups.clear()


def agreed(value: Any) -> Any:
    """Return the first process's value, to all."""
    if world_size() == 1:
        return value
    from torch import distributed  # noqa: PLC0415

    values = [value]
    distributed.broadcast_object_list(values, group=side_group("agreement"))
    return values[0]


def gathered(values: Sequence[int | float]) -> "Tensor":
    """Return every process's values, one row each, on the CPU."""
    import torch  # noqa: PLC0415
    from torch import distributed  # noqa: PLC0415

    mine = torch.tensor(values, dtype=torch.float64)
    if world_size() == 1:
        return mine.unsqueeze(0)
    rows = [torch.empty_like(mine) for _ in range(world_size())]
    distributed.all_gather(rows, mine, group=side_group("agreement"))
    return torch.stack(rows)


def summed(tensor: "Tensor") -> "Tensor":
    """Return the sum over all processes, on the tensor's device."""
    if world_size() == 1:
        return tensor
    from torch import distributed  # noqa: PLC0415

    total = tensor.clone()
    distributed.all_reduce(total)
    return total


_side_groups: dict[str, Any] = {}


def side_group(name: str) -> Any:
    """Return a group by gloo with an order of its own, which waits for days: NCCL's patience ends in minutes.

    A process that is not one of many has none.
    """
    if world_size() == 1:
        return None
    from torch import distributed  # noqa: PLC0415

    if name not in _side_groups:
        _side_groups[name] = distributed.new_group(backend="gloo", timeout=PATIENCE)
    return _side_groups[name]
