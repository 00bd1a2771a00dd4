"""A judge grades texts."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from vlm.endpoint.request import Messages


@dataclass(frozen=True)
class Record:
    """What must be known of a judge for its grades to be comparable; judges change, and change versions.

    Args:
        model: As it was asked for.
        served_models: The versions that answered, sorted.
        prompts: Hash of all that it was asked, in order.
        num_asked: How many prompts that were.
        num_from_cache: Of these, answered by what was kept from earlier.
        num_failed: Of these, not answered at all.
    """

    model: str
    served_models: tuple[str, ...]
    prompts: str
    num_asked: int
    num_from_cache: int
    num_failed: int


class Judge(ABC):
    """The contract of every judge.

    Args:
        both_orders: Whether two answers that are compared are shown a second time in the other order, since
            judges favor a place; the two grades are then averaged.
    """

    def __init__(self, both_orders: bool) -> None:
        self.both_orders = both_orders

    @abstractmethod
    def ask(self, prompts: Sequence[Messages]) -> list[str | None]:
        """Return what the judge says to each; None where it could not be reached.

        Raises:
            ValueError: It can be reached for none.
        """

    @property
    @abstractmethod
    def record(self) -> Record:
        """What has been asked of it so far."""
