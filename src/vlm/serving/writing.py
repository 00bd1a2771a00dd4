"""An answer while it is written: what of it is certain, and when it ends."""

import math
from collections.abc import Collection, Sequence
from enum import Enum
from itertools import takewhile

from transformers import PreTrainedTokenizerBase

from vlm.llm.decoding import Decoding
from vlm.serving.logprobs import TokenLogprob

BROKEN = "\N{REPLACEMENT CHARACTER}"
"""What the first bytes of a character are decoded to until its last has come."""


class Finish(Enum):
    """Why an answer ended."""

    stop = "stop"  # the model, or a stop string, ended it
    length = "length"  # it was cut


class AnswerText:
    """The words of an answer, as text.

    Args:
        tokenizer: Of the LLM.
        decoding: Its `stop` ends the text, its `max_new_tokens` too.
        stop_ids: Tokens that end an answer.
        room: Tokens that the context has left.
    """

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, decoding: Decoding, stop_ids: Collection[int], room: int
    ) -> None:
        self.tokenizer, self.decoding, self.stop_ids = tokenizer, decoding, stop_ids
        self.most = min(decoding.max_new_tokens, room)
        self.ids: list[int] = []
        self.finish: Finish | None = None
        self._said = 0
        self._untold: list[tuple[int, TokenLogprob]] = []

    def add(self, word: int, logprob: TokenLogprob | None = None) -> None:
        """Take the next word, and how likely it was if that is to be told."""
        if logprob and word not in self.stop_ids:
            # A character begins with its first byte's token, and those of its other bytes begin there too.
            self._untold.append((len(self._decode().rstrip(BROKEN)), logprob))
        self.ids.append(word)
        stopped = word in self.stop_ids or (
            self.decoding.stop and any(stop in self._decode() for stop in self.decoding.stop)
        )
        if stopped:
            self.finish = Finish.stop
        elif len(self.ids) >= self.most:
            self.finish = Finish.length

    @property
    def text(self) -> str:
        """The answer so far, as it would be if it ended here."""
        return self.decoding.cut(self._decode()).strip()

    def take(self) -> str:
        """Return what has become certain since the last call; all pieces together are the text.

        Held back are spaces, which are no part of an answer if nothing follows them, characters whose bytes
        have not all come, and what may begin a stop.
        """
        # Not of the stripped text: a stop may begin with the spaces before the first word.
        certain = self.text if self.finish else _certain(self._decode(), self.decoding.stop).lstrip()
        piece = certain[self._said :]
        self._said += len(piece)
        return piece

    def take_logprobs(self) -> list[TokenLogprob]:
        """Return those of the tokens that begin within what was taken, if they were not told before.

        At the end all others follow, but not the token that ended the answer, and none that begins where a
        stop does, or after it. So tokens may say more than the text: spaces around it, and what the token in
        which a stop begins says of the stop.
        """
        end = self._end()
        told = list(takewhile(lambda one: one[0] < end, self._untold))
        self._untold = self._untold[len(told) :]
        return [logprob for _, logprob in told]

    def _end(self) -> int | float:
        """Return where, in all that is decoded, those tokens begin that are not told now."""
        written = self._decode()
        if not self.finish:
            return len(written) - len(written.lstrip()) + self._said if self._said else 0
        kept = len(self.decoding.cut(written))
        return kept if kept < len(written) else math.inf

    def _decode(self) -> str:
        return str(self.tokenizer.decode(self.ids, skip_special_tokens=True))


def _certain(text: str, stops: Sequence[str]) -> str:
    """Return the part of a text that what follows cannot change."""
    text = text.rstrip(BROKEN)
    for stop in stops:
        begun = next((size for size in range(len(stop) - 1, 0, -1) if text.endswith(stop[:size])), 0)
        text = text[: len(text) - begun]
    return text.rstrip()
