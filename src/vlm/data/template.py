"""A template says how a conversation becomes text, and which characters of it are supervised."""

from collections.abc import Sequence
from dataclasses import dataclass

from vlm.data.sample import IMAGE_PLACEHOLDER, Turn


@dataclass(frozen=True)
class Span:
    """A piece of the rendered text; the model learns to write the supervised ones."""

    text: str
    supervised: bool = False


class Template:
    """Render turns as spans of text."""

    def render(self, turns: Sequence[Turn]) -> list[Span]:
        """Return the whole conversation.

        Raises:
            ValueError: The turns do not alternate human, gpt, human, ...
        """
        raise NotImplementedError

    def prompt(self, turns: Sequence[Turn]) -> str:
        """Return the text up to where the model must answer the last human turn."""
        raise NotImplementedError


class RoleTemplate(Template):
    """`system USER: question ASSISTANT: answer</s>`, LLaVA's separator style "two".

    Args:
        system: Opens every conversation; may be empty.
        user: Name before a human turn.
        assistant: Name before an answer.
        turn_end: Closes a human turn (and the system text).
        answer_end: Closes an answer, and is learned with it.
    """

    def __init__(self, system: str, user: str, assistant: str, turn_end: str, answer_end: str) -> None:
        self.system, self.user, self.assistant = system, user, assistant
        self.turn_end, self.answer_end = turn_end, answer_end

    def render(self, turns: Sequence[Turn]) -> list[Span]:
        """Supervise each answer and its end."""
        _require_alternation(turns)
        spans = [Span(self.system + self.turn_end)] if self.system else []
        for turn in turns:
            if turn.speaker == "human":
                spans.append(Span(f"{self.user}: {turn.text}{self.turn_end}{self.assistant}: "))
            else:
                spans.append(Span(turn.text + self.answer_end, supervised=True))
        return spans

    def prompt(self, turns: Sequence[Turn]) -> str:
        """End right after the assistant's colon: the answer brings its own space."""
        return "".join(span.text for span in self.render(turns)).rstrip(" ")


class PlainTemplate(Template):
    r"""`<image>caption\n`: the human's words are dropped; LLaVA's template of the align stage.

    Args:
        answer_end: Closes the caption, and is learned with it.
    """

    def __init__(self, answer_end: str) -> None:
        self.answer_end = answer_end

    def render(self, turns: Sequence[Turn]) -> list[Span]:
        """Supervise the caption and its end."""
        _require_alternation(turns)
        if len(turns) != 2 or IMAGE_PLACEHOLDER not in turns[0].text:
            raise ValueError("template plain reads one human turn with <image> and one gpt turn")
        return [Span(IMAGE_PLACEHOLDER), Span(turns[1].text + self.answer_end, supervised=True)]

    def prompt(self, turns: Sequence[Turn]) -> str:
        """Return the image alone."""
        return IMAGE_PLACEHOLDER


def _require_alternation(turns: Sequence[Turn]) -> None:
    speakers = [turn.speaker for turn in turns]
    if not turns or speakers != (["human", "gpt"] * len(turns))[: len(turns)]:
        raise ValueError(f"turns must alternate human, gpt, human, ...; got {speakers}")
