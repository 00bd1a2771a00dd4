"""What is asked of an engine, and what it says."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vlm.llm.decoding import Decoding
from vlm.model.generate import PreparedPrompt
from vlm.serving.batch import Row
from vlm.serving.logprobs import TokenLogprob
from vlm.serving.writing import Finish


class FullError(Exception):
    """As many wait as may."""


class ClosedError(Exception):
    """The engine takes nothing more, or has ended what it had."""


class LateError(Exception):
    """The answer was not there in time."""


@dataclass(frozen=True)
class Asked:
    """A prompt for the engine.

    Args:
        prompt: In tokens and pictures.
        decoding: How words are chosen.
        deadline: When the answer is given up, by `time.monotonic`.
        streams: Whether pieces are told as they are written, and not the whole at the end.
        top_logprobs: The answer's tokens are told with their log-probabilities, and beside each so many of
            the likeliest; None tells none.
    """

    prompt: PreparedPrompt
    decoding: Decoding
    deadline: int | float = math.inf
    streams: bool = True
    top_logprobs: int | None = None


@dataclass(frozen=True)
class Said:
    """A piece of an answer.

    Args:
        text: What is new.
        num_tokens: Of the answer so far.
        finish: Why it ended; None if it goes on.
        error: Why there will be no more of it.
        logprobs: Of the tokens that are new; None if they were not asked for.
    """

    text: str = ""
    num_tokens: int = 0
    finish: Finish | None = None
    error: Exception | None = None
    logprobs: Sequence[TokenLogprob] | None = None


Hear = Callable[[Said], None]
"""Is called by the engine's thread, and must not raise; the last piece has a `finish` or an `error`."""


class Ticket:
    """An answer that is waited for.

    Args:
        asked: What is asked.
        hear: Takes its pieces.
    """

    def __init__(self, asked: Asked, hear: Hear) -> None:
        self.asked, self.hear = asked, hear
        self.is_cancelled = False
        self.row: Row | None = None

    def cancel(self) -> None:
        """Want no more of it: its place is free before the next word."""
        self.is_cancelled = True
