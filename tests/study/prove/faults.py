"""Faults to be found."""

from collections.abc import Sequence

from vlm.data.sample import IMAGE_PLACEHOLDER, Turn
from vlm.data.template import PlainTemplate
from vlm.data.tokens import Span


class SilentTemplate(PlainTemplate):
    """Of which nothing is learned."""

    def render(self, turns: Sequence[Turn]) -> list[Span]:
        return [Span(IMAGE_PLACEHOLDER), Span(turns[1].text + self.answer_end)]
