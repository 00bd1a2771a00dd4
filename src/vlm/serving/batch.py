"""Answers that are written at once: a prompt may join, and an answer leave, between any two words."""

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import DynamicCache, LogitsProcessorList

from vlm.llm.base import Logits
from vlm.llm.cache import join, select
from vlm.llm.decoding import Decoding
from vlm.model.beginnings import pad_prompts
from vlm.model.generate import Answerer, PreparedPrompt
from vlm.serving.logprobs import read_logprobs
from vlm.serving.writing import AnswerText
from vlm.shapes import PaddedMask


class Row:
    """A prompt, and its answer as far as it is written.

    Args:
        answerer: Who answers.
        prompt: What is asked.
        decoding: How its words are chosen.
        top_logprobs: Tokens to tell beside each of the answer's; None wants no log-probabilities.
    """

    def __init__(
        self,
        answerer: Answerer,
        prompt: PreparedPrompt,
        decoding: Decoding,
        top_logprobs: int | None = None,
    ) -> None:
        llm = answerer.model.llm
        self.prompt: PreparedPrompt | None = prompt
        self.top_logprobs = top_logprobs
        room = llm.context_length - len(prompt.ids)
        self.answer = AnswerText(llm.tokenizer, decoding, llm.stop_ids, room)
        self._draws: LogitsProcessorList = decoding.draws([prompt.seed])

    @property
    def is_drawn(self) -> bool:
        """Whether its words are drawn."""
        return len(self._draws) > 0

    def draw(self, logits: Logits) -> int:
        """Return the next word as transformers' `generate` draws it for this row alone."""
        so_far = torch.tensor([self.answer.ids], dtype=torch.long)
        return int(self._draws(so_far, logits).argmax(-1))


class RunningBatch:
    """Rows that a model continues together, each as it would be alone.

    Args:
        answerer: Who answers.
    """

    def __init__(self, answerer: Answerer) -> None:
        self.answerer = answerer
        self.rows: list[Row] = []
        self._cache = DynamicCache()
        self._mask: PaddedMask = torch.zeros(0, 0, dtype=torch.long)

    @torch.no_grad()
    def add(self, rows: Sequence[Row]) -> None:
        """Read prompts and write the first word of each; if that fails, the other rows are as they were."""
        model = self.answerer.model
        prompts = [row.prompt for row in rows if row.prompt is not None]
        batch = self.answerer.join(prompts)
        here = [tensor.to(model.device) for tensor in (*batch.rows, batch.tiles, batch.visual_index)]
        embedded = model.embed(torch.cat(here[:-2]), here[-2], here[-1])
        padded = pad_prompts(here[:-2], here[-1], torch.split(embedded, [len(ids) for ids in here[:-2]]))
        logits, cache = model.llm.begin(padded.sequence, padded.mask, padded.shared)
        mask = padded.mask
        if self.rows:
            cache, mask = join(self._cache, self._mask, cache, mask)
        self._cache, self._mask = cache, mask
        self.rows += rows
        for row in rows:
            row.prompt = None  # pictures have been read, and take room
        _write(rows, logits)

    @torch.no_grad()
    def step(self) -> None:
        """Write one more word of each row."""
        words = torch.tensor([row.answer.ids[-1] for row in self.rows], device=self._mask.device)
        mask = torch.cat([self._mask, torch.ones_like(self._mask[:, :1])], dim=1)
        logits = self.answerer.model.llm.go_on(words, mask, self._cache)
        self._mask = mask
        _write(self.rows, logits)

    def keep(self, rows: Sequence[Row]) -> None:
        """Let all other rows go, and the room that they took."""
        if len(rows) == len(self.rows):
            return
        places = [place for place, row in enumerate(self.rows) if row in rows]
        self.rows = [self.rows[place] for place in places]
        if not places:
            self._cache, self._mask = DynamicCache(), self._mask[:0, :0]
            return
        chosen = torch.tensor(places, device=self._mask.device)
        self._cache, self._mask = select(self._cache, self._mask, chosen)


def _write(rows: Sequence[Row], logits: Tensor) -> None:
    likeliest = logits.argmax(-1).tolist()
    words = [
        row.draw(logits[place : place + 1]) if row.is_drawn else likeliest[place]
        for place, row in enumerate(rows)
    ]
    logprobs = read_logprobs(logits, words, [row.top_logprobs for row in rows])
    for row, word, logprob in zip(rows, words, logprobs, strict=True):
        row.answer.add(word, logprob)
