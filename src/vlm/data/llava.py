"""LLaVA's templates, and its own way to tokens and labels (`template.legacy=llava`), kept for parity.

LLaVA (Liu et al. 2023, arXiv:2310.03744; llava/train/train.py at 1.2.2) tokenizes a conversation, cuts its
text into rounds, tokenizes each of these again and counts. Where the counts do not add up, nothing of the
conversation is learned. Spans do not count, so without `legacy` such conversations are learned too.
"""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from transformers import PreTrainedTokenizerBase

from vlm.data.sample import IMAGE_PLACEHOLDER, Turn
from vlm.data.template import Template, TurnTemplate, require_alternation
from vlm.data.tokens import IGNORE_ID, IMAGE_ID, Span, Tokens, encode, opening

LEGACY = "llava"


def check_legacy(legacy: str | None) -> None:
    """Hold the key to what there is.

    Raises:
        ValueError: It is something else.
    """
    if legacy not in (None, LEGACY):
        raise ValueError(f"template.legacy must be null or {LEGACY}, got {legacy}")


class RoundsTemplate(TurnTemplate):
    """A template whose answers LLaVA finds by cutting the text into rounds.

    Args:
        system: Opens every conversation.
        human_start: Before a question.
        human_end: After a question.
        answer_end: Closes an answer.
        separator: After an answer, before the next question.
        legacy: `llava` for tokens and labels as LLaVA's code makes them, of a tokenizer whose
            `model_max_length` is the context; None for labels by characters.

    Raises:
        ValueError: No such legacy.
    """

    first: int
    """Tokens before the first round."""
    excess: int
    """Tokens that a round's question has more when it is tokenized by itself."""

    def __init__(
        self,
        system: str,
        human_start: str,
        human_end: str,
        answer_end: str,
        separator: str = "",
        legacy: str | None = None,
    ) -> None:
        super().__init__(system, human_start, human_end, answer_end, separator)
        check_legacy(legacy)
        self.legacy = legacy

    @abstractmethod
    def rounds(self, text: str) -> Iterator[tuple[str, str]]:
        """Yield each round's text, and its text up to the answer; end where it has not one answer."""

    def slip(self, tokenizer: PreTrainedTokenizerBase) -> int:
        """Return the tokens that a round after the first has more when it is tokenized by itself."""
        return 0

    def tokens(self, turns: Sequence[Turn], tokenizer: PreTrainedTokenizerBase) -> Tokens:
        """Return the tokens, labelled by characters or as LLaVA labels them."""
        if self.legacy is None:
            return super().tokens(turns, tokenizer)
        text = self.prompt(gather_images(drop_leading_answer(turns)))
        ids = tokenize_around_images(text, tokenizer)
        if IMAGE_PLACEHOLDER not in text:
            ids = ids[: tokenizer.model_max_length]
        return Tokens(ids, self._label(ids, text, tokenizer))

    def _label(self, ids: list[int], text: str, tokenizer: PreTrainedTokenizerBase) -> list[int]:
        labels, at = list(ids), self.first
        labels[:at] = [IGNORE_ID] * at
        for number, (whole, question) in enumerate(self.rounds(text)):
            slip = self.slip(tokenizer) if number else 0
            unlearned = len(tokenize_around_images(question, tokenizer)) - self.excess - slip
            labels[at : at + unlearned] = [IGNORE_ID] * len(labels[at : at + unlearned])
            at += len(tokenize_around_images(whole, tokenizer)) - slip
        labels[at:] = [IGNORE_ID] * len(labels[at:])
        present = sum(token != tokenizer.pad_token_id for token in ids)
        mismatched = at < tokenizer.model_max_length and at != present
        return [IGNORE_ID] * len(ids) if mismatched else labels

    @staticmethod
    def _cut(rounds: Sequence[str], answer_start: str) -> Iterator[tuple[str, str]]:
        for whole in rounds:
            question, found, rest = whole.partition(answer_start)
            if not found or answer_start in rest:
                return
            yield whole, question + found


class VicunaTemplate(RoundsTemplate):
    """`system USER: question ASSISTANT: answer</s>`: Vicuna's v1, with which LLaVA-1.5 is tuned."""

    first = 1  # the BOS; each round's own stands for the `</s>` that it was cut at
    excess = 2  # that BOS, and the space that belongs to the answer's first word

    def rounds(self, text: str) -> Iterator[tuple[str, str]]:
        """Cut at ends of answers."""
        return self._cut(text.split(self.answer_end), self.human_end)

    def slip(self, tokenizer: PreTrainedTokenizerBase) -> int:
        """One, where no space is put before a word that follows `</s>`, as it is at a text's start."""
        return int(not getattr(tokenizer, "legacy", True))


class Llama2Template(RoundsTemplate):
    """`[INST] <<SYS>>...<</SYS>> question [/INST] answer </s><s>[INST] ...`: Llama 2's, and Mistral's."""

    first, excess = 1, 2  # as Vicuna's

    def rounds(self, text: str) -> Iterator[tuple[str, str]]:
        """Cut at `</s>`, whose space stays with the answer."""
        return self._cut(text.split(self.answer_end.strip()), self.human_end.lstrip())


class ChatMLTemplate(RoundsTemplate):
    """`<|im_start|>user ... <|im_end|><|im_start|>assistant ...`: MPT's, without lines between.

    LLaVA's count forgets the marks that it cuts at, so that few tokenizers escape: most conversations
    have nothing to learn under `legacy`.
    """

    first, excess = 0, 1

    def rounds(self, text: str) -> Iterator[tuple[str, str]]:
        """Cut at every second mark, the first time at the third: a system text opens the first round."""
        pieces = text.split(self.answer_end)
        edges = [0, *range(3, len(pieces), 2), len(pieces)]
        joined = [self.answer_end.join(pieces[start:stop]) for start, stop in pairwise(edges)]
        return self._cut(joined, self.human_end)

    def slip(self, tokenizer: PreTrainedTokenizerBase) -> int:
        """One fewer, of tokenizers that call themselves legacy."""
        return -int(getattr(tokenizer, "legacy", False))


class HeadedTemplate(Template):
    r"""`system\n\n### Human: question\n### Assistant: answer\n### `: LLaVA's v0.

    Each `### ` is learned too: it is how an answer ends.

    Args:
        system: Opens every conversation.
        human: Name of the human.
        assistant: Name of the model.
        legacy: As of `RoundsTemplate`.

    Raises:
        ValueError: No such legacy.
    """

    answer_end = "###"

    def __init__(self, system: str, human: str, assistant: str, legacy: str | None = None) -> None:
        check_legacy(legacy)
        self.system, self.legacy = system, legacy
        self.names = {"human": human, "gpt": assistant}

    def render(self, turns: Sequence[Turn]) -> list[Span]:
        """Supervise answers, with their names, and every mark."""
        require_alternation(turns)
        spans = [Span(f"{self.system}\n\n")]
        for turn in turns:
            said = f"{self.names[turn.speaker]}: {turn.text}\n"
            spans += [Span("### ", supervised=True), Span(said, supervised=turn.speaker == "gpt")]
        return [*spans, Span("### ", supervised=True)]

    def prompt(self, turns: Sequence[Turn]) -> str:
        """End with the model's name."""
        return "".join(span.text for span in self.render(turns)) + f"{self.names['gpt']}:"

    def tokens(self, turns: Sequence[Turn], tokenizer: PreTrainedTokenizerBase) -> Tokens:
        """Return the tokens, labelled by characters or as LLaVA labels them."""
        if self.legacy is None:
            return super().tokens(turns, tokenizer)
        turns = gather_images(drop_leading_answer(turns))
        header, *said = (span.text for span in self.render(turns))
        pieces = [mark + words for mark, words in zip(said[::2], said[1::2], strict=False)]
        ids = tokenize_around_images("".join([header, *said]), tokenizer)
        labels, at = list(ids), len(tokenize_around_images(header, tokenizer))
        labels[:at] = [IGNORE_ID] * at
        for turn, piece in zip(turns, pieces, strict=True):
            length = len(tokenize_around_images(piece, tokenizer))
            if turn.speaker == "human":  # but for two tokens: the mark
                labels[at + 2 : at + length] = [IGNORE_ID] * len(labels[at + 2 : at + length])
            at += length
        return Tokens(ids, labels)


def tokenize_around_images(text: str, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Tokenize what stands between pictures by itself, as texts of their own; keep the first BOS only."""
    chunks = [encode(chunk, tokenizer)[0] for chunk in text.split(IMAGE_PLACEHOLDER)]
    return [*opening(tokenizer), *[token for chunk in chunks for token in (IMAGE_ID, *chunk)][1:]]


def drop_leading_answer(turns: Sequence[Turn]) -> Sequence[Turn]:
    """Leave out a first turn that is not the human's."""
    return turns[1:] if turns and turns[0].speaker != "human" else turns


def gather_images(turns: Sequence[Turn]) -> list[Turn]:
    r"""Put one `<image>\n` at the front of each turn that holds any; several in one turn become one."""
    return [
        replace(turn, text=f"{IMAGE_PLACEHOLDER}\n{turn.text.replace(IMAGE_PLACEHOLDER, '').strip()}".strip())
        if IMAGE_PLACEHOLDER in turn.text
        else turn
        for turn in turns
    ]
