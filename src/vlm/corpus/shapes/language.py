"""What can be said about a scene: captions, written scenes, questions with short and full answers."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

from vlm.corpus.shapes.scene import COLORS, PLACES, SHAPES, WORDS, Scene, Shape

SHORT_ANSWER = "Answer the question using a single word or phrase."  # LLaVA-1.5's P1
CAPTION_PROMPTS = (
    "Describe the image concisely.",
    "Provide a brief description of the given image.",
    "Summarize the visual content of the image.",
)
EMPTY = "empty"


@dataclass(frozen=True)
class Question:
    """A question about a scene, its answer in a word, and its answer as a sentence."""

    kind: str
    text: str
    answer: str
    sentence: str


def caption(scene: Scene) -> str:
    """Name everything with its place, in raster order: `a small red circle at the top, ...`."""
    parts = []
    for thing in scene.things:
        article = "a" if isinstance(thing, Shape) else "the"
        parts.append(f"{article} {thing.description} at the {PLACES[thing.place]}")
    return ", ".join(parts) + "."


def written_places(scene: Scene) -> list[str]:
    """Describe each of the nine places in raster order; a place with nothing is `empty`."""
    descriptions = dict.fromkeys(range(len(PLACES)), EMPTY)
    descriptions.update({thing.place: thing.description for thing in scene.things})
    return [f"{PLACES[place]} {text}" for place, text in descriptions.items()]


def ask(kind: str, scene: Scene, random: Random) -> Question | None:
    """Draw a question of `kind`, or None if the scene offers none.

    Args:
        kind: One of `KINDS`.
        scene: What it is about.
        random: Draws it; moved on.
    """
    candidates = list(_ASK[kind](scene, random))
    if not candidates:
        return None
    text, answer, sentence = random.choice(candidates)
    return Question(kind, text, answer, sentence)


def converse(scene: Scene, random: Random, num_turns: int, kinds: tuple[str, ...]) -> list[Question]:
    """Draw up to `num_turns` different questions of the given kinds."""
    questions: dict[str, Question] = {}
    for _ in range(4 * num_turns):
        question = ask(random.choice(kinds), scene, random)
        if question and len(questions) < num_turns:
            questions[question.text] = question
    return list(questions.values())


Candidates = Iterator[tuple[str, str, str]]


def _unique(scene: Scene, attribute: str) -> list[Shape]:
    """The shapes whose `attribute` no other shape of the scene has."""
    values = [getattr(shape, attribute) for shape in scene.shapes]
    return [shape for shape in scene.shapes if values.count(getattr(shape, attribute)) == 1]


def _ask_attribute(scene: Scene, random: Random) -> Candidates:
    for shape in scene.shapes:
        place = f"at the {PLACES[shape.place]}"
        yield f"What color is the shape {place}?", shape.color, f"The shape {place} is {shape.color}."
        yield f"What shape is {place}?", shape.kind, f"It is a {shape.kind}."
        yield f"What size is the shape {place}?", shape.size, f"The shape {place} is {shape.size}."
    for shape in _unique(scene, "kind"):
        yield f"What color is the {shape.kind}?", shape.color, f"The {shape.kind} is {shape.color}."
    for shape in _unique(scene, "color"):
        yield f"What shape is {shape.color}?", shape.kind, f"It is a {shape.kind}."


def _ask_count(scene: Scene, random: Random) -> Candidates:
    def counted(number: int, noun: str) -> tuple[str, str, str]:
        plural = noun if number == 1 else f"{noun}s"
        verb = "is" if number == 1 else "are"
        return f"How many {noun}s are there?", str(number), f"There {verb} {number} {plural}."

    yield counted(len(scene.shapes), "shape")
    color, kind = random.choice(COLORS), random.choice(SHAPES)
    if scene.shapes and random.random() < 0.8:
        shape = random.choice(scene.shapes)
        color, kind = shape.color, shape.kind
    if random.random() < 0.5:
        yield counted(sum(shape.color == color for shape in scene.shapes), f"{color} shape")
    else:
        yield counted(sum(shape.kind == kind for shape in scene.shapes), kind)


_DIRECTIONS: dict[str, tuple[str, Callable[[int, int], bool]]] = {
    "left of": ("right of", lambda a, b: a % 3 < b % 3),
    "right of": ("left of", lambda a, b: a % 3 > b % 3),
    "above": ("below", lambda a, b: a // 3 < b // 3),
    "below": ("above", lambda a, b: a // 3 > b // 3),
}


def _ask_relation(scene: Scene, random: Random) -> Candidates:
    shapes = _unique(scene, "noun")
    for shape in shapes:
        place = PLACES[shape.place]
        yield f"Where is the {shape.noun}?", place, f"The {shape.noun} is at the {place}."
    if len(shapes) < 2:
        return
    first, second = random.sample(shapes, 2)
    for name, (opposite, holds) in _DIRECTIONS.items():
        if holds(first.place, second.place):
            pair = f"the {first.noun} {{}} the {second.noun}"
            true, false = pair.format(name), pair.format(opposite)
            yield f"Is {true}?", "yes", f"Yes, {true}."
            yield f"Is {false}?", "no", f"No, it is {name} the {second.noun}."


def _ask_exist(scene: Scene, random: Random) -> Candidates:
    present = {shape.noun for shape in scene.shapes}
    shape = random.choice(scene.shapes)
    if random.random() < 0.5:
        yield f"Is there a {shape.noun}?", "yes", f"Yes, there is a {shape.noun}."
        return
    # Half true things with one attribute changed: neither color nor shape alone gives it away.
    near = random.random() < 0.5
    color = shape.color if near and random.random() < 0.5 else random.choice(COLORS)
    kind = shape.kind if near and color != shape.color else random.choice(SHAPES)
    if f"{color} {kind}" not in present:
        yield f"Is there a {color} {kind}?", "no", f"No, there is no {color} {kind}."


def _ask_ocr(scene: Scene, random: Random) -> Candidates:
    if scene.word is None:
        return
    text, place = scene.word.text, PLACES[scene.word.place]
    yield "What word is printed in the image?", text, f"The word is {text}."
    yield f"What word is at the {place}?", text, f"The word at the {place} is {text}."
    other = random.choice([word for word in WORDS if word != text])
    if random.random() < 0.5:
        yield f"Does the image say {text}?", "yes", f"Yes, it says {text}."
    else:
        yield f"Does the image say {other}?", "no", f"No, it says {text}."


_ASK: dict[str, Callable[[Scene, Random], Candidates]] = {
    "attribute": _ask_attribute,
    "count": _ask_count,
    "relation": _ask_relation,
    "exist": _ask_exist,
    "ocr": _ask_ocr,
}
KINDS = tuple(_ASK)
