"""A template says how a conversation becomes text, and which characters of it are supervised."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from transformers import PreTrainedTokenizerBase

from vlm.data.sample import IMAGE_PLACEHOLDER, Turn
from vlm.data.tokens import Span, Tokens, tokenize


class Template(ABC):
    """Render turns as spans of text, and these as tokens."""

    answer_end: str

    @abstractmethod
    def render(self, turns: Sequence[Turn]) -> list[Span]:
        """Return the whole conversation.

        Raises:
            ValueError: The turns do not alternate human, gpt, human, ...
        """

    @abstractmethod
    def prompt(self, turns: Sequence[Turn]) -> str:
        """Return the text up to where the model must answer the last human turn."""

    def tokens(self, turns: Sequence[Turn], tokenizer: PreTrainedTokenizerBase) -> Tokens:
        """Return the conversation's tokens, labelled by the characters that they cover."""
        return tokenize(self.render(turns), tokenizer)

    def of(self, tokenizer: PreTrainedTokenizerBase) -> "Template":
        """Return the template as the LLM with this tokenizer uses it: most are the same for all."""
        return self


class TurnTemplate(Template):
    """Marks around turns: `system USER: question ASSISTANT: answer</s>`, and every chat format like it.

    Args:
        system: Opens every conversation, with what closes it; may be empty.
        human_start: Before a question.
        human_end: After a question, up to where its answer begins. Spaces at its end are learned with the
            answer: many tokenizers join them to its first word, so a prompt ends before them.
        answer_end: Closes an answer, and is learned with it.
        separator: After an answer, before the next question; not learned.
    """

    def __init__(
        self, system: str, human_start: str, human_end: str, answer_end: str, separator: str = ""
    ) -> None:
        self.system, self.human_start, self.human_end = system, human_start, human_end
        self.answer_end, self.separator = answer_end, separator

    def render(self, turns: Sequence[Turn]) -> list[Span]:
        """Supervise each answer and its end."""
        require_alternation(turns)
        before = self.human_end.rstrip(" ")
        spaces = self.human_end[len(before) :]
        spans = [Span(self.system)] if self.system else []
        for number, turn in enumerate(turns):
            if turn.speaker == "human":
                between = self.separator if number else ""
                spans.append(Span(between + self.human_start + turn.text + before))
            else:
                spans.append(Span(spaces + turn.text + self.answer_end, supervised=True))
        return spans

    def prompt(self, turns: Sequence[Turn]) -> str:
        """End where the last answer is to begin."""
        return "".join(span.text for span in self.render(turns))


class PlainTemplate(Template):
    r"""`<image>caption\n`: the human's words are dropped; LLaVA's template of the align stage.

    Args:
        answer_end: Closes the caption, and is learned with it.
    """

    def __init__(self, answer_end: str) -> None:
        self.answer_end = answer_end

    def render(self, turns: Sequence[Turn]) -> list[Span]:
        """Supervise the caption and its end."""
        require_alternation(turns)
        if len(turns) != 2 or IMAGE_PLACEHOLDER not in turns[0].text:
            raise ValueError("template plain reads one human turn with <image> and one gpt turn")
        return [Span(IMAGE_PLACEHOLDER), Span(turns[1].text + self.answer_end, supervised=True)]

    def prompt(self, turns: Sequence[Turn]) -> str:
        """Return the image alone."""
        return IMAGE_PLACEHOLDER


def require_alternation(turns: Sequence[Turn]) -> None:
    """Hold turns to human, gpt, human, ...

    Raises:
        ValueError: They are in another order, or there are none.
    """
    speakers = [turn.speaker for turn in turns]
    if not turns or speakers != (["human", "gpt"] * len(turns))[: len(turns)]:
        raise ValueError(f"turns must alternate human, gpt, human, ...; got {speakers}")
