"""The text that the tiny LLM reads: conversations and captions about the train split's scenes."""

from collections.abc import Iterator
from random import Random

from vlm.corpus.shapes.language import KINDS, SHORT_ANSWER, caption, converse, written_places
from vlm.corpus.shapes.scene import PLACES, Scene, draw_scene
from vlm.data.sample import IMAGE_PLACEHOLDER, Turn
from vlm.data.template import PlainTemplate, TurnTemplate
from vlm.data.tokens import Span

CHAT = TurnTemplate(system="", human_start="USER: ", human_end=" ASSISTANT: ", answer_end="</s>")
PLAIN = PlainTemplate(answer_end="\n")
# Shares of the documents; the rest are conversations about all kinds of things.
CAPTION_RATE = 0.1
TOUR_RATE = 0.1
RESTATE_RATE, LATER_RESTATE_RATE = 0.4, 0.05  # until looking up is learned, and after
SHORT_RATE = 0.7  # share of the conversations with the short-answer prompt
NUM_TURNS = 6


def documents(random: Random, restate_rate: float) -> Iterator[tuple[Scene, list[Span]]]:
    """Yield scenes, each with a document about it; `<image>` stands where the scene is written."""
    while True:
        scene = draw_scene(random, "train")
        point = random.random()
        if point < CAPTION_RATE:
            turns = [Turn("human", IMAGE_PLACEHOLDER), Turn("gpt", caption(scene))]
            yield scene, PLAIN.render(turns)
        elif point < CAPTION_RATE + restate_rate:
            yield scene, restatement(scene, random)
        elif point < CAPTION_RATE + restate_rate + TOUR_RATE:
            yield scene, CHAT.render(tour(scene, random))
        else:
            short = random.random() < SHORT_RATE
            yield scene, CHAT.render(conversation(scene, random, NUM_TURNS, KINDS, short))


def restatement(scene: Scene, random: Random) -> list[Span]:
    """The scene again in another order, by place or by thing: what follows a look-up is supervised.

    Looking things up is slow to be learned from questions, where little is supervised and the words that
    ask stand far from the answer; here the word before the answer is what must be looked up.
    """
    by_thing = random.random() < 0.4
    if by_thing:
        pairs = [(thing.description, PLACES[thing.place]) for thing in scene.things]
    else:
        pairs = [(place, text) for place, text in zip(PLACES, _at_each_place(scene), strict=True)]
    random.shuffle(pairs)
    spans = [Span(IMAGE_PLACEHOLDER)]
    for known, asked in pairs:
        spans += [Span(f" {known}"), Span(f" {asked}", supervised=True), Span(".")]
    return spans


def tour(scene: Scene, random: Random) -> list[Turn]:
    """Ask what stands at each place, in random order."""
    pairs = list(zip(PLACES, _at_each_place(scene), strict=True))
    random.shuffle(pairs)
    turns = []
    for number, (place, answer) in enumerate(pairs):
        opening = f"{IMAGE_PLACEHOLDER}\n" if number == 0 else ""
        turns += [Turn("human", f"{opening}What is at the {place}?"), Turn("gpt", answer)]
    return turns


def _at_each_place(scene: Scene) -> list[str]:
    things = {thing.place: thing.description for thing in scene.things}
    return [things.get(place, "nothing") for place in range(len(PLACES))]


def conversation(
    scene: Scene, random: Random, num_turns: int, kinds: tuple[str, ...], short: bool
) -> list[Turn]:
    """Questions and answers; the first turn opens with the picture and states the answer's form."""
    turns = []
    for number, question in enumerate(converse(scene, random, num_turns, kinds)):
        opening, ending = (f"{IMAGE_PLACEHOLDER}\n", f"\n{SHORT_ANSWER}") if number == 0 else ("", "")
        text = opening + question.text + (ending if short else "")
        answer = question.answer if short else question.sentence
        turns += [Turn("human", text), Turn("gpt", answer)]
    return turns


def written_scene(scene: Scene, random: Random) -> list[str]:
    """The scene as phrases that name their place; half the time in raster order with empty places."""
    phrases = written_places(scene)
    if random.random() < 0.5:
        phrases = [phrase for phrase in phrases if not phrase.endswith(" empty")]
        random.shuffle(phrases)
    return phrases
