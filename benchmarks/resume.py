"""How soon the first step comes, at the start and at 90 % of an epoch of a million samples.

    .venv/bin/python benchmarks/resume.py

1,000 shards of 1,000 samples of text (one file by a thousand names), read from nothing each time: indexes,
order, measures, the step itself.
"""

import os
import shutil
import tempfile
import time
from pathlib import Path

from transformers import AutoTokenizer

from vlm.corpus.write import Record, write_shards
from vlm.data.document import DocumentReader
from vlm.data.image import ImageTransform
from vlm.data.index import index_path
from vlm.data.locate import find_shards
from vlm.data.shards import ShardSource
from vlm.data.steps import Batching, StepDataset
from vlm.data.template import TurnTemplate
from vlm.paths import assets_dir

SHARDS, SAMPLES, STEP = 1000, 1000, 128


def make(folder: Path) -> None:
    """Write one shard and name it a thousand times."""
    records = [
        Record(f"{number:06d}", {"conversations": [
            {"from": "human", "value": f"What is {number}?"}, {"from": "gpt", "value": f"It is {number}."},
        ]}, {})
        for number in range(SAMPLES)
    ]  # fmt: skip
    list(write_shards(records, folder, "one", SAMPLES))
    first = folder / "one-000000.tar"
    for number in range(1, SHARDS):
        other = folder / f"one-{number:06d}.tar"
        os.link(first, other)
        os.link(index_path(first), index_path(other))


def first_step(folder: Path, step: int) -> float:
    """Seconds until a step is there."""
    shutil.rmtree(folder / "cache", ignore_errors=True)
    started = time.perf_counter()
    reader = DocumentReader(
        ShardSource("one", find_shards("shards", f"{folder}/*.tar")),
        TurnTemplate("", "USER: ", " ASSISTANT: ", "</s>"),
        AutoTokenizer.from_pretrained(assets_dir() / "tiny_llama"),
        ImageTransform(72, (0.5,) * 3, (3, 3), "pad"),
        2048,
    )
    count = SHARDS * SAMPLES
    batching = Batching("packed", STEP, 1, 16_384, 1)
    dataset = StepDataset({"one": reader}, {"one": count}, batching, count, 1, folder / "cache", "raise")
    assert dataset[step].rows
    return time.perf_counter() - started


def main() -> None:
    """Print both times and their ratio."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make(folder)
        last = int(0.9 * SHARDS * SAMPLES / STEP)
        times = {step: min(first_step(folder, step) for _ in range(3)) for step in (0, last)}
    print(f"step 0: {times[0]:.2f} s; step {last}: {times[last]:.2f} s; ratio {times[last] / times[0]:.2f}")


if __name__ == "__main__":
    main()
