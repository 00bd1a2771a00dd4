"""Which things a text names: plurals, longer phrases, words that mean something else, a fruit, a color."""

import pytest

from vlm.corpus.objects.coco_words import coco_words, make_vocabulary
from vlm.corpus.objects.words import Vocabulary, plural, read_words

COCO = make_vocabulary([], None)


@pytest.mark.parametrize(
    ("one", "several"),
    [
        ("dog", "dogs"), ("bus", "buses"), ("bench", "benches"), ("toothbrush", "toothbrushes"),
        ("puppy", "puppies"), ("toy", "toys"), ("knife", "knives"), ("person", "people"), ("man", "men"),
        ("woman", "women"), ("policewoman", "policewomen"), ("human", "humans"), ("child", "children"),
        ("computer mouse", "computer mice"), ("wine glass", "wine glasses"), ("sheep", "sheep"),
        ("german shepherd", "german shepherds"), ("giraffe", "giraffes"),
    ],
)  # fmt: skip
def test_plurals(one: str, several: str) -> None:
    assert plural(one) == several


@pytest.mark.parametrize(
    ("text", "things"),
    [
        ("A dog and two dogs, and a puppy.", ["dog", "dog", "dog"]),  # every mention counts
        ("Men, women and children with knives", ["person", "person", "person", "knife"]),
        ("A hot dog on a plate", ["hot dog"]),
        ("It is hot. Dog owners like it.", ["dog"]),  # a period parts them
        ("Two hot-dogs", ["hot dog"]),
        ("a teddy bear beside a bear", ["teddy bear", "bear"]),
        ("wine glasses, a glass of wine", ["wine glass", "wine glass"]),
        ("A baby elephant and its mother", ["elephant", "person"]),
        ("adult giraffes, baby zebras", ["giraffe", "zebra"]),
        ("a passenger jet", ["airplane"]),
        ("a passenger on a passenger train", ["person", "train"]),
        ("train tracks at a train station", []),
        ("a train on train tracks", ["train"]),
        ("skiers with skis on a ski slope", ["person", "skis"]),
        ("a toilet seat, a toilet and toilet paper", ["toilet", "toilet"]),
        ("a woman's handbag", ["person", "handbag"]),
        ("a catcher's mitt", ["baseball glove"]),
        ("a motor bike and a bike", ["motorcycle", "bicycle"]),
        ("five o'clock", []),
        ("a caterpillar in Chairman's dogma", []),  # only whole words count
        ("A DOG", ["dog"]),
        ("", []),
    ],
)
def test_what_a_text_names(text: str, things: list[str]) -> None:
    assert COCO.mentions(text) == things


@pytest.mark.parametrize(
    ("text", "is_fruit"),
    [
        ("an orange on a plate", True),
        ("an orange.", True),
        ("an orange, a plate", True),
        ("the orange and an apple", True),
        ("three oranges", True),
        ("a tangerine", True),
        ("an orange slice", True),
        ("an orange cat", False),
        ("an orange and white cat", False),
        ("an orange, black and white cat", False),
        ("the cat is orange", False),
        ("dressed in orange", False),
        ("orange juice", False),
    ],
)
def test_an_orange_is_a_fruit_or_a_color(text: str, is_fruit: bool) -> None:
    assert ("orange" in COCO.mentions(text)) == is_fruit


def test_each_of_the_eighty_is_called_by_its_own_name_alone_and_together() -> None:
    names = list(coco_words())
    assert len(names) == 80
    for name in names:
        assert COCO.mentions(f"an {name}") == COCO.mentions(f"two {plural(name)}") == [name]


def test_no_word_is_two_things() -> None:
    called = [(phrase, name) for name, phrases in coco_words().items() for phrase in [name, *phrases]]
    assert len({phrase for phrase, _ in called}) == len(called)


def test_other_boxes_are_called_by_their_names() -> None:
    vocabulary = make_vocabulary(["Red Panda", "dog"], None)
    assert vocabulary.mentions("Red pandas, a panda and a puppy") == ["Red Panda", "bear", "dog"]


def test_a_file_of_words_stands_in_place_of_ours() -> None:
    words = read_words("w.txt", "dog, puppy\n\ntraffic light, street light\n")
    assert words == {"dog": ["puppy"], "traffic light": ["street light"]}
    vocabulary = make_vocabulary(["cup"], words)
    assert vocabulary.mentions("puppies at street lights with cups and a kitten") == [
        "dog",
        "traffic light",
        "cup",
    ]
    with pytest.raises(ValueError, match=r"^w.txt has no words; a line names a thing"):
        read_words("w.txt", "\n , \n")


def test_a_vocabulary_may_be_empty() -> None:
    assert Vocabulary({}).mentions("a dog") == []
