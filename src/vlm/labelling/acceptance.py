"""Which replies to a question become its answer."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from vlm.endpoint.reply import Completion
from vlm.labelling.agreement import choose
from vlm.labelling.known import Known
from vlm.labelling.questions import Question
from vlm.synthesis.filters import TEXT_RULES, TURN_RULES, Wanted, fault_of_text, fault_of_turn
from vlm.synthesis.replies import MALFORMED, fault_of_reply

RULES = {
    "no-picture": "there is no picture, or it cannot be decoded; nothing was asked",
    **{rule: MALFORMED[rule] for rule in ("empty", "cut", "placeholder")},
    **{rule: TURN_RULES[rule] for rule in ("refusal", "uncertain")},
    **{rule: TEXT_RULES[rule] for rule in ("long", "loop")},
    "disagree": "replies to the same question are less alike than min_agreement",
    "unsure": "its tokens are less likely, on average, than min_confidence",
    "contradicted": "what is known of the picture, by objects=, says otherwise",
}
"""Why a question has no answer, in the order in which it is looked at."""


@dataclass(frozen=True)
class Label:
    """The reply that was chosen of several.

    Args:
        completion: It.
        place: Which it is.
        agreement: How much the others are like it, from 0 to 1.
        confidence: The probability of its tokens, their geometric mean; None if the model does not say.
    """

    completion: Completion
    place: int
    agreement: float
    confidence: float | None

    @property
    def text(self) -> str:
        """The answer."""
        return self.completion.text.strip()


@dataclass(frozen=True)
class Criteria:
    """What an answer must be like.

    Args:
        min_agreement: From 0 to 1; 0 takes any.
        min_confidence: From 0 to 1; 0 takes any.
        max_words: Of the answer.
        known: What is in the pictures; None if nobody has said.

    Raises:
        ValueError: A value is outside its range.
    """

    min_agreement: float | int
    min_confidence: float | int
    max_words: int
    known: Known | None

    def __post_init__(self) -> None:
        for key in ("min_agreement", "min_confidence"):
            if not 0 <= getattr(self, key) <= 1:
                raise ValueError(f"{key} must be from 0 to 1, got {getattr(self, key)}")
        if self.max_words < 1:
            raise ValueError(f"max_words must be at least 1, got {self.max_words}")

    def fault(self, label: Label, question: Question, image: str) -> str:
        """Return the rule of `RULES` that an answer breaks first; empty if none.

        Raises:
            ValueError: The model does not say how likely its words are, and that is asked for.
        """
        rule = fault_of_reply(label.completion) or _unwanted(label, question, self.max_words)
        if rule:
            return rule
        if label.agreement < self.min_agreement:
            return "disagree"
        if self.min_confidence and label.confidence is None:
            raise ValueError(
                f"min_confidence={self.min_confidence} needs to know how likely words are, and this endpoint "
                "does not say (logprobs); say min_confidence=0"
            )
        if self.min_confidence and label.confidence is not None and label.confidence < self.min_confidence:
            return "unsure"
        contradicted = self.known is not None and self.known.contradicts(image, question.text, label.text)
        return "contradicted" if contradicted else ""


def choose_label(completions: Sequence[Completion]) -> Label:
    """Return the reply that is most like the others."""
    place, agreement = choose([completion.text for completion in completions])
    chosen = completions[place]
    confidence = None if chosen.mean_logprob is None else math.exp(chosen.mean_logprob)
    return Label(chosen, place, agreement, confidence)


def _unwanted(label: Label, question: Question, max_words: int) -> str:
    fault = fault_of_turn((question.text, label.text))
    if fault in RULES:
        return fault
    return fault_of_text([(question.text, label.text)], Wanted(0, max_words, "any")) or ""
