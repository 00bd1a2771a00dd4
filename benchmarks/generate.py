"""Answers of ours beside transformers' `generate`, and memory over ten thousand questions.

    .venv/bin/python benchmarks/generate.py [questions=96] [lengths=4,32,128]

Measured: answers a second of the same model (20M parameters, as `train_step.py` builds it on both sides,
32,000 words, 144 visual tokens, fp32, 2 threads) on the same questions; the answers must be the same words.
Ours asks 32 at once; the peer is transformers' `LlavaForConditionalGeneration`, asked one question at a time
as evaluators do. Every picture is asked about six times, as POPE does, one question after the other; a
question has 6 to 30 words. Pictures are prepared beforehand on both sides. An answer has as many words as
`lengths` says: 4 is a word or an option, 128 the limit that LLaVA sets for short answers.

Then ten thousand questions of the shapes world are asked of the packaged model, with journal and scores, and
the memory of the process is held against what it was after a tenth of them.
"""

import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from train_step_ours import NAMES, plan_model
from train_step_peer import build_model as build_peer
from train_step_shared import IMAGE, MEAN, OPENING, SHAPES, STD, VOCABULARY, Job, draw_weight, make_pictures

from vlm.benchmark.ask import ask
from vlm.benchmark.journal import Journal
from vlm.build import build_answerer, build_model
from vlm.build_benchmarks import build_benchmarks
from vlm.compose import compose_sentence
from vlm.corpus.generate import ensure_sources
from vlm.llm.decoding import Decoding
from vlm.model.vision_language import VisionLanguageModel

TARGET, GROWTH = 5.0, 8.0
"""Least ratio of answers a second; MiB that memory may grow."""
ASKED_ABOUT = 6
"""Questions about each picture."""
AT_ONCE = 32
SHAPE = SHAPES["20M"]


def make_questions(count: int) -> list[tuple[Tensor, int]]:
    """Return ids, with `IMAGE` at each visual token, and the number of the picture."""
    generator = np.random.default_rng(0)
    opening = 3 + generator.integers(VOCABULARY - 4, size=OPENING)
    questions = []
    for number in range(count):
        words = 3 + generator.integers(VOCABULARY - 4, size=generator.integers(6, 31))
        ids = np.concatenate([opening, np.full(SHAPE.visual_tokens, IMAGE), words])
        questions.append((torch.from_numpy(ids), number // ASKED_ABOUT % 32))
    return questions


def build_ours() -> VisionLanguageModel:
    """Return our model with the peer's weights."""
    model = plan_model(SHAPE)
    model.configure_model()
    for name, weight in model.named_parameters():
        beginning = next(ours for ours in NAMES if name.startswith(ours))
        draw_weight(NAMES[beginning] + name.removeprefix(beginning), weight)
    return model.eval()


def ours(
    model: VisionLanguageModel, questions: Sequence[tuple[Tensor, int]], length: int
) -> Iterator[list[int]]:
    """Answer many at once."""
    tiles, visual = torch.from_numpy(make_pictures(SHAPE)), SHAPE.visual_tokens
    for first in range(0, len(questions), AT_ONCE):
        batch = questions[first : first + AT_ONCE]
        shown = list(dict.fromkeys(picture for _, picture in batch))
        index = torch.cat([torch.arange(visual) + shown.index(picture) * visual for _, picture in batch])
        ids = model.generate(
            [row for row, _ in batch], tiles[shown], index, Decoding(length), [0] * len(batch)
        )
        yield from ids.tolist()


@torch.no_grad()
def peer(model: torch.nn.Module, questions: Sequence[tuple[Tensor, int]], length: int) -> Iterator[list[int]]:
    """Answer one at a time."""
    pictures = torch.from_numpy(make_pictures(SHAPE)).permute(0, 3, 1, 2) / 255
    pixels = (pictures - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)
    for row, picture in questions:
        ids = torch.where(row == IMAGE, VOCABULARY - 1, row).unsqueeze(0)
        found = model.generate(  # type: ignore[operator]
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            pixel_values=pixels[picture : picture + 1],
            max_new_tokens=length,
            do_sample=False,
            eos_token_id=[],
            pad_token_id=0,
        )
        yield found[0, ids.shape[1] :].tolist()


def compare(count: int, lengths: Sequence[int]) -> None:
    """Print answers a second of both sides."""
    mine, theirs = build_ours(), build_peer(Job("peer", 1), SHAPE).eval()
    mine.llm.__class__.stop_ids = property(lambda self: [])  # type: ignore[method-assign, assignment]
    questions = make_questions(count)
    for side, model in ((ours, mine), (peer, theirs)):
        list(side(model, questions[:2], 2))  # warm
    print(f"{'new words':>9}  {'ours':>12}  {'one at a time':>14}  ratio  (answers/s; target {TARGET:g})")
    for length in lengths:
        taken, answers = [], []
        for side, model in ((ours, mine), (peer, theirs)):
            started = time.perf_counter()
            answers.append(list(side(model, questions, length)))
            taken.append(time.perf_counter() - started)
        same = sum(one == other for one, other in zip(*answers, strict=True))
        rates = [count / seconds for seconds in taken]
        print(f"{length:>9}  {rates[0]:>12.2f}  {rates[1]:>14.2f}  {rates[0] / rates[1]:.2f}", flush=True)
        print(f"           {same} of {count} answers are the same words", flush=True)


def hold_memory(count: int) -> None:
    """Ask ten thousand questions, and print how memory grew after the first tenth."""
    with tempfile.TemporaryDirectory() as folder:
        config = compose_sentence([f"paths.data={folder}", f"paths.cache={folder}"]).config
        ensure_sources(config)
        model = build_model(config)
        model.configure_model()
        benchmark = build_benchmarks(config)["shapes"]
        answerer = build_answerer(config, model.eval(), 2)
        known = benchmark.questions()
        questions = [replace(known[number % len(known)], key=str(number)) for number in range(count)]
        journal = Journal(Path(folder), "seen")
        ask(questions[: count // 10], answerer.stream, 128, journal, 0, "first tenth")
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        answers = ask(questions, answerer.stream, 128, journal, 0, "all")
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - before
        assert len(answers) == count
        print(f"{count:,} questions: memory grew by {grown:.1f} MiB after the first tenth (limit {GROWTH:g})")


if __name__ == "__main__":
    settings = dict(word.split("=") for word in sys.argv[1:])
    torch.set_num_threads(2)
    compare(
        int(settings.get("questions", 96)),
        [int(one) for one in settings.get("lengths", "4,32,128").split(",")],
    )
    hold_memory(10_000)
