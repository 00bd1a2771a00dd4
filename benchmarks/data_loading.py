"""How many samples a second one worker prepares, beside a plain torch dataset over transformers' processors.

    .venv/bin/python benchmarks/data_loading.py [pictures=DIR] [count=1000]

Both read the same conversations about the same JPEGs of 336 pixels, and return what LLaVA-1.5 learns from:
pixels for CLIP at 336, ids, and labels of the answers. Ours reads packed shards and lays rows of 16,384
tokens; the peer reads the JPEGs as files, one sample at a time, through `CLIPImageProcessor` and the
tokenizer, as trainers built on transformers do. The peer's pixels are normalised floats; ours stay bytes,
which the encoder normalises in one batch on its device, so that this work is no worker's. One process for
both, in turn.
"""

import cProfile
import io
import json
import pstats
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils.data import Dataset
from transformers import AutoTokenizer, CLIPImageProcessor

from vlm.corpus.pack import Packing, pack
from vlm.data.document import DocumentReader
from vlm.data.image import ImageTransform
from vlm.data.locate import find_shards
from vlm.data.shards import ShardSource
from vlm.data.steps import Batching, StepDataset
from vlm.data.template import TurnTemplate
from vlm.paths import assets_dir

SIZE, PATCHES = 336, 24
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
SYSTEM = "A chat between a curious user and an assistant. "
QUESTION, ANSWER = (
    "What is shown at place {}? Answer in a sentence.",
    "At place {} a thing of kind {} is shown.",
)


def make_pictures(folder: Path, count: int, photos: list[Path]) -> None:
    """Write JPEGs of 336 pixels: crops of photos, or waves where there are none."""
    generator = np.random.default_rng(0)
    for number in range(count):
        if photos:
            image = Image.open(photos[number % len(photos)]).convert("RGB").resize((SIZE + 64, SIZE + 64))
            left, top = generator.integers(0, 64, 2).tolist()
            image = image.crop((left, top, left + SIZE, top + SIZE))
        else:
            waves = np.add.outer(np.sin(np.arange(SIZE) / 9 + number), np.cos(np.arange(SIZE) / 7))
            image = Image.fromarray((127 + 60 * np.stack([waves] * 3, -1)).astype(np.uint8))
        image.save(folder / f"{number}.jpg", quality=90)


def make_records(count: int) -> list[dict[str, Any]]:
    """Conversations of three turns about each picture."""
    records = []
    for number in range(count):
        turns = []
        for turn in range(3):
            mark = "<image>\n" if turn == 0 else ""
            turns += [
                {"from": "human", "value": mark + QUESTION.format(turn)},
                {"from": "gpt", "value": ANSWER.format(turn, number)},
            ]
        records.append({"id": str(number), "image": f"{number}.jpg", "conversations": turns})
    return records


class Peer(Dataset[dict[str, Any]]):
    """What a trainer on transformers reads: files, its image processor, its tokenizer, masked questions."""

    def __init__(self, records: list[dict[str, Any]], folder: Path, tokenizer: Any) -> None:
        self.records, self.folder, self.tokenizer = records, folder, tokenizer
        self.processor = CLIPImageProcessor(
            size={"shortest_edge": SIZE},
            crop_size={"height": SIZE, "width": SIZE},
            image_mean=MEAN,
            image_std=STD,
        )

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, number: int) -> dict[str, Any]:
        record = self.records[number]
        with Image.open(self.folder / record["image"]) as image:
            pixels = self.processor(image.convert("RGB"), return_tensors="pt")["pixel_values"][0]
        ids: list[int] = [1]
        labels: list[int] = [-100]
        pieces = [(SYSTEM, False)]
        for turn in record["conversations"]:
            asked = turn["from"] == "human"
            text = f"USER: {turn['value']} ASSISTANT:" if asked else f" {turn['value']}</s>"
            pieces.append((text, not asked))
        for text, learned in pieces:
            for place, chunk in enumerate(text.split("<image>")):
                if place:
                    ids += [-200] * PATCHES**2
                    labels += [-100] * PATCHES**2
                made = self.tokenizer(chunk, add_special_tokens=False)["input_ids"]
                ids += made
                labels += made if learned else [-100] * len(made)
        return {"pixel_values": pixels, "input_ids": torch.tensor(ids), "labels": torch.tensor(labels)}


def ours(folder: Path, tokenizer: Any, count: int) -> StepDataset:
    """The same samples, packed."""
    reader = DocumentReader(
        ShardSource("bench", find_shards("shards", f"{folder}/*.tar")),
        TurnTemplate(SYSTEM, "USER: ", " ASSISTANT: ", "</s>"),
        tokenizer,
        ImageTransform(SIZE, MEAN, (PATCHES, PATCHES), "pad"),
        4096,
    )
    batching = Batching("packed", 128, 1, 16_384, 1)
    return StepDataset({"bench": reader}, {"bench": count}, batching, count, 1, folder / "cache", "raise")


def rates(*runs: Callable[[], int]) -> list[float]:
    """Samples a second of each, in turn so that all see the same machine; the median of five passes."""
    found: list[list[float]] = [[] for _ in runs]
    for _ in range(6):
        for run, seen in zip(runs, found, strict=True):
            started = time.perf_counter()
            seen.append(run() / (time.perf_counter() - started))
    return [median(seen[1:]) for seen in found]  # the first warms up


def main() -> None:
    """Print both rates, their ratio, memory over epochs, and where our time goes."""
    options = dict(word.split("=") for word in sys.argv[1:])
    count = int(options.get("count", 1000))
    photos = sorted(Path(options["pictures"]).rglob("*.jpg")) if "pictures" in options else []
    torch.set_num_threads(1)
    tokenizer = AutoTokenizer.from_pretrained(assets_dir() / "tiny_llama")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "pictures").mkdir()
        make_pictures(folder / "pictures", count, photos)
        records = make_records(count)
        pack(records, Packing(folder / "pictures", folder / "shards"))
        (folder / "records.json").write_text(json.dumps(records))
        peer, dataset = (
            Peer(records, folder / "pictures", tokenizer),
            ours(folder / "shards", tokenizer, count),
        )

        def read_peer() -> int:
            return sum(1 for number in range(count) if peer[number])

        def read_ours() -> int:
            return sum(len(row.keys) for step in range(dataset.num_steps) for row in dataset[step].rows)

        theirs, mine = rates(read_peer, read_ours)
        print(f"transformers {theirs:8.1f} samples/s")
        print(f"vlm          {mine:8.1f} samples/s")
        print(f"ratio        {mine / theirs:8.2f}")
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for _ in range(3):
            read_ours()
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        print(f"memory grown over three more epochs: {grown:.1f} MiB")
        profile = cProfile.Profile()
        profile.runcall(read_ours)
        text = io.StringIO()
        pstats.Stats(profile, stream=text).sort_stats("tottime").print_stats(12)
        print("\n".join(_figures(text.getvalue())))


def _figures(text: str) -> Iterator[str]:
    lines = text.splitlines()
    start = next(number for number, line in enumerate(lines) if "ncalls" in line)
    yield from (line for line in lines[start:] if line.strip())


if __name__ == "__main__":
    main()
