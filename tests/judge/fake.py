"""A judge that says what a function makes of each prompt."""

from collections.abc import Callable, Sequence

from vlm.endpoint.request import Messages
from vlm.judge.base import Judge, Record


class FakeJudge(Judge):
    def __init__(self, says: Callable[[str], str | None], both_orders: bool = False) -> None:
        super().__init__(both_orders)
        self.says = says
        self.prompts: list[Messages] = []

    def ask(self, prompts: Sequence[Messages]) -> list[str | None]:
        self.prompts += prompts
        return [self.says(str(prompt[-1]["content"])) for prompt in prompts]

    @property
    def record(self) -> Record:
        return Record("fake", (), "", len(self.prompts), 0, 0)
