"""The text that the tiny LLM reads: conversations and captions about the train split's scenes."""

from collections.abc import Iterator
from random import Random

from vlm.corpus.shapes.language import KINDS, SHORT_ANSWER, caption, converse, written_places
from vlm.corpus.shapes.scene import PLACES, Scene, draw_scene
from vlm.data.sample import IMAGE_PLACEHOLDER, Turn
from vlm.data.template import PlainTemplate, RoleTemplate, Span

CHAT = RoleTemplate(system="", user="USER", assistant="ASSISTANT", turn_end=" ", answer_end="</s>")
PLAIN = PlainTemplate(answer_end="\n")
CAPTION_RATE = 0.1  # share of documents that are a scene and its caption
TOUR_RATE = 0.3  # share of documents that ask for every place: look-up by place is slow to be learned
SHORT_RATE = 0.7  # share of the other conversations with the short-answer prompt
NUM_TURNS = 6


def documents(random: Random) -> Iterator[tuple[Scene, list[Span]]]:
    """Yield scenes, each with a document about it; `<image>` stands where the scene is written."""
    while True:
        scene = draw_scene(random, "train")
        point = random.random()
        if point < CAPTION_RATE:
            turns = [Turn("human", IMAGE_PLACEHOLDER), Turn("gpt", caption(scene))]
            yield scene, PLAIN.render(turns)
        elif point < CAPTION_RATE + TOUR_RATE:
            yield scene, CHAT.render(tour(scene, random))
        else:
            short = random.random() < SHORT_RATE
            yield scene, CHAT.render(conversation(scene, random, NUM_TURNS, KINDS, short))


def tour(scene: Scene, random: Random) -> list[Turn]:
    """Ask what stands at each place, in random order."""
    answers = dict.fromkeys(PLACES, "nothing")
    answers.update({PLACES[thing.place]: thing.description for thing in scene.things})
    turns = []
    for number, place in enumerate(random.sample(PLACES, len(PLACES))):
        opening = f"{IMAGE_PLACEHOLDER}\n" if number == 0 else ""
        turns += [Turn("human", f"{opening}What is at the {place}?"), Turn("gpt", answers[place])]
    return turns


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
