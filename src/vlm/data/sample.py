"""A sample is what one line of a dataset says: pictures and a conversation about them."""

from dataclasses import dataclass, field

IMAGE_PLACEHOLDER = "<image>"


@dataclass(frozen=True)
class Turn:
    """What one side says.

    Args:
        speaker: `human` or `gpt`, as in LLaVA's JSON.
        text: May hold `<image>` where a picture belongs.
    """

    speaker: str
    text: str


@dataclass(frozen=True)
class Sample:
    """One training example.

    Args:
        key: Unique within its source.
        turns: Human and gpt in turn, human first.
        images: Encoded files (JPEG, PNG, ...), in the order of their placeholders.
        source: Name of the source in the mixture.
    """

    key: str
    turns: tuple[Turn, ...]
    images: tuple[bytes, ...] = field(default=(), repr=False)
    source: str = ""


@dataclass(frozen=True)
class Prompt:
    """What a model is asked.

    Args:
        text: With `<image>` where each picture belongs.
        images: Encoded files, in the order of their placeholders, those of earlier turns first.
        seed: Of the words that are drawn for its answer.
        earlier: What was said before, human first and gpt last.
    """

    text: str
    images: tuple[bytes, ...] = field(default=(), repr=False)
    seed: int = 0
    earlier: tuple[Turn, ...] = ()


def opening(sample: Sample) -> Prompt:
    """Return what a sample's first turn asks, with its own pictures: those of later turns come with these."""
    text = sample.turns[0].text
    return Prompt(text, sample.images[: text.count(IMAGE_PLACEHOLDER)])


class FaultySampleError(ValueError):
    """A sample that nothing can be learned from; the message names it and says why.

    Args:
        message: Names the sample.
        kind: One of `KINDS`.
    """

    KINDS = ("record", "picture", "overflow", "nothing", "shard")
    """Record or conversation is wrong; a picture is missing or broken; pictures do not fit the context; no
    answer within the context; the shard has gone or is cut off."""

    def __init__(self, message: str, kind: str = "record") -> None:
        super().__init__(message)
        self.kind = kind
