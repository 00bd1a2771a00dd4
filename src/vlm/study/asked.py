"""A model that somebody wants to talk to: named, or found by the words of the sentence that trained it."""

from collections.abc import Sequence
from pathlib import Path

import torch

from vlm.build import build_answerer, ready_to_answer
from vlm.compose import compose_sentence
from vlm.corpus.generate import ensure_sources
from vlm.model.generate import Answerer
from vlm.quiet import quiet_libraries
from vlm.sentence import read_sentence
from vlm.study.named import Named, of_run, open_named
from vlm.synthesis.asking import Ours


def open_model(run: str | None, base: str | None, words: Sequence[str]) -> Named:
    """Find a model.

    Args:
        run: Its name, as `open_named` takes it; None finds the run of a sentence.
        base: Folder of the LLM that a named folder with less than a whole model was trained from.
        words: Of the sentence that asks, or that trained it.

    Raises:
        ValueError: There is none, it is not trained, or words do not go together.
    """
    quiet_libraries()
    if run:
        return open_named(run, base, words)
    if base:
        raise ValueError(f"base={base} goes with a model that is named; say run=MODEL")
    sentence = compose_sentence(words)
    ensure_sources(sentence.config)
    return of_run(sentence, read_sentence(sentence.config), " ".join(words) or "the default sentence")


def name_of(named: Named) -> str:
    """Return what a model may be called: its folder's name."""
    folder = named.planned.identity["imported"] if named.is_foreign else named.planned.folder.path
    return Path(folder).resolve().name


def ours(run: str | None, base: str | None, words: Sequence[str]) -> Ours:
    """Return a model by the words that `open_model` takes, to be served and asked.

    Raises:
        ValueError: There is none, or it is not trained.
    """
    named = [f"{key}={value}" for key, value in (("run", run), ("base", base)) if value]
    folder = open_model(run, base, words).planned.folder.path.resolve()
    return Ours(folder.name, [*named, *words])


def load_answerer(named: Named, max_new_tokens: int) -> Answerer:
    """Return a model on its device, in the precision that the sentence asks in."""
    config = named.sentence.config
    torch.set_num_threads(config.trainer.num_threads)
    if torch.cuda.is_available():
        torch.set_float32_matmul_precision("high")  # TF32
    return build_answerer(config, ready_to_answer(config, named.load()), max_new_tokens)
