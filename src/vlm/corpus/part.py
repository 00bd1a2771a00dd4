"""One of several shares of a task, so that cores or machines can work side by side."""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Part:
    """The share `number` of `of`, counted from 1."""

    number: int
    of: int

    @classmethod
    def parse(cls, text: str) -> "Part":
        """Read `2/8`.

        Raises:
            ValueError: It is no such share.
        """
        found = re.fullmatch(r"(\d+)/(\d+)", text)
        part = cls(int(found[1]), int(found[2])) if found else cls(0, 0)
        if not 1 <= part.number <= part.of:
            raise ValueError(f"part must be i/n with i from 1 to n, as in part=2/8; got {text}")
        return part

    def takes(self, place: int) -> bool:
        """Whether the item at a place, counted from 0, is of this share."""
        return place % self.of == self.number - 1

    @property
    def is_whole(self) -> bool:
        """Whether there are no others."""
        return self.of == 1

    def __str__(self) -> str:
        return f"{self.number}-of-{self.of}"


WHOLE = Part(1, 1)
