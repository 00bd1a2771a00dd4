"""A stage that is traced; both ranks of a pair do it together, or one process alone."""

from collections.abc import Sequence
from pathlib import Path

import lightning

from vlm import ranks
from vlm.build import build_model, build_task, build_trainer
from vlm.build_data import build_data
from vlm.compose import compose_sentence
from vlm.training.guards import Guards
from vlm.training.record import Recorder
from vlm.training.trace import Trace


def train(words: Sequence[str], path: Path) -> int:
    """Train to the end; return how many lines this process has written."""
    config = compose_sentence([*words, f"devices={ranks.world_size()}"]).config
    lightning.seed_everything(config.seed, verbose=False)
    model = build_model(config)
    data = build_data(config, model)
    task = build_task(config, model, data.num_steps, [])
    every = config.trainer.log_every
    mine = path.with_name(f"{path.stem}-{ranks.rank()}.jsonl")
    callbacks = [Guards(path.parent, every), Trace(mine, every, {}), Recorder(every)]
    build_trainer(config, task, callbacks, None).fit(task, datamodule=data)
    return len(mine.read_text().splitlines()) if mine.is_file() else 0
