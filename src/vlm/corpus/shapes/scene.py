"""A scene says what stands at each of the nine places of a picture, and which split it belongs to.

Splits differ in two ways. Some color-shape pairs are shown in one split only (`split_pairs`), so a
test score measures composition and not memory; and a whole scene belongs to the one split that its
hash picks (`split_of`), so no picture is ever seen in two splits.
"""

import hashlib
from dataclasses import dataclass
from itertools import product
from random import Random

PLACES = (
    "top-left", "top", "top-right",
    "left", "center", "right",
    "bottom-left", "bottom", "bottom-right",
)  # fmt: skip
COLORS = ("red", "green", "blue", "yellow", "orange", "purple", "cyan", "white")
SHAPES = ("circle", "square", "triangle", "diamond", "cross", "ring")
SIZES = ("small", "large")
WORDS = ("cat", "sun", "map", "key", "box", "hat", "jug", "fox")
SPLITS = ("train", "validation", "test")
SPLIT_SHARES = (0.90, 0.05, 0.05)
NUM_PRIVATE_PAIRS = 6  # color-shape pairs that only validation, or only test, may show
PRIVATE_RATE = 0.25  # how often an object of those splits has one of its private pairs
WORD_RATE = 0.5  # share of pictures with a printed word
MAX_OBJECTS = 5


@dataclass(frozen=True)
class Shape:
    """A colored shape at a place (an index into `PLACES`)."""

    place: int
    size: str
    color: str
    kind: str

    @property
    def noun(self) -> str:
        """What tells it from others: color and shape."""
        return f"{self.color} {self.kind}"

    @property
    def description(self) -> str:
        """Everything about it but its place."""
        return f"{self.size} {self.noun}"


@dataclass(frozen=True)
class Word:
    """A printed word at a place."""

    place: int
    text: str

    @property
    def description(self) -> str:
        """Everything about it but its place."""
        return f"word {self.text}"


@dataclass(frozen=True)
class Scene:
    """One to five shapes and at most one printed word, in raster order of their places."""

    shapes: tuple[Shape, ...]
    word: Word | None

    @property
    def things(self) -> tuple[Shape | Word, ...]:
        """Shapes and word, in raster order."""
        things: list[Shape | Word] = [*self.shapes, *([self.word] if self.word else [])]
        return tuple(sorted(things, key=lambda thing: thing.place))


def split_pairs(split: str) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Return the color-shape pairs that every split shows, and those that only `split` shows."""
    pairs = list(product(COLORS, SHAPES))
    Random(2023).shuffle(pairs)  # fixed for ever: shipped weights never saw the test split's pairs
    private = {
        "train": [],
        "validation": pairs[:NUM_PRIVATE_PAIRS],
        "test": pairs[NUM_PRIVATE_PAIRS : 2 * NUM_PRIVATE_PAIRS],
    }
    return pairs[2 * NUM_PRIVATE_PAIRS :], private[split]


def split_of(scene: Scene) -> str:
    """Return the split that the scene's hash picks."""
    digest = hashlib.sha256(repr(scene).encode()).digest()
    point = int.from_bytes(digest[:8], "big") / 2**64
    return SPLITS[0 if point < SPLIT_SHARES[0] else 1 if point < sum(SPLIT_SHARES[:2]) else 2]


def draw_scene(random: Random, split: str) -> Scene:
    """Draw a scene of `split`; the same generator state gives the same scene."""
    shared, private = split_pairs(split)
    while True:
        scene = _draw(random, shared, private)
        if split_of(scene) == split:
            return scene


def _draw(random: Random, shared: list[tuple[str, str]], private: list[tuple[str, str]]) -> Scene:
    num_shapes = random.randint(1, MAX_OBJECTS)
    has_word = random.random() < WORD_RATE
    places = random.sample(range(len(PLACES)), num_shapes + has_word)
    shapes = []
    for place in sorted(places[:num_shapes]):
        pairs = private if private and random.random() < PRIVATE_RATE else shared
        color, kind = random.choice(pairs)
        shapes.append(Shape(place, random.choice(SIZES), color, kind))
    word = Word(places[-1], random.choice(WORDS)) if has_word else None
    return Scene(tuple(shapes), word)
