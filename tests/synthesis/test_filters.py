"""What a reply must not say."""

import pytest

from tests.synthesis.making import sentences
from vlm.synthesis.filters import Wanted, fault_of_text, is_english, sift_turns, words_of

QUESTION = "What does the dog do?"


@pytest.mark.parametrize(
    ("answer", "rule"),
    [
        ("I'm sorry, but I can't help with that.", "refusal"),
        ("I\u2019m unable to view the photo.", "refusal"),
        ("As an AI language model, I have no eyes.", "refusal"),
        ("I cannot see the picture.", "refusal"),
        ("The caption says that a dog runs.", "source"),
        ("According to the description, it runs.", "source"),
        ("The bounding box of the dog is on the left.", "source"),
        ("The dog is at [0.12, 0.3, 0.45, 0.6].", "source"),
        ("Its coordinates lie to the left.", "source"),
        ("Based on the given information, it runs.", "source"),
        ("It is unclear what the dog does.", "uncertain"),
        ("It cannot be determined.", "uncertain"),
        ("The color is not mentioned.", "uncertain"),
        ("It's impossible to tell.", "uncertain"),
        ("I don't know.", "uncertain"),
    ],
)
def test_an_answer_is_left_out_by_a_named_rule(answer: str, rule: str) -> None:
    good = ("What is it?", "A dog.")
    kept, faults = sift_turns([good, (QUESTION, answer)])
    assert kept == [good]
    assert faults == {rule: 1}


@pytest.mark.parametrize(
    "answer",
    [
        "The dog cannot swim, so it waits, and that is a pity.",
        "The sky is clear, and the box on the table is not clear at all but brown.",
        "A sign says sorry, in large letters, to whoever waits for the train.",
        "He is not sure-footed; the possible reason is the ice.",
        "There are 12 boats (3 of them red) in the harbor.",
        "The text on the sign says that dogs must be kept on a leash.",
    ],
)
def test_what_only_sounds_like_it_stays(answer: str) -> None:
    assert sift_turns([(QUESTION, answer)]) == ([(QUESTION, answer)], {})


def test_a_question_is_asked_once() -> None:
    turns = [(QUESTION, "It runs."), ("What does the DOG do", "It sits."), ("What else?", "Nothing.")]
    kept, faults = sift_turns(turns)
    assert kept == [turns[0], turns[2]]
    assert faults == {"repeated": 1}


def test_a_question_that_speaks_of_boxes_is_left_out() -> None:
    assert sift_turns([("What is in the bounding box?", "A dog.")])[1] == {"source": 1}


@pytest.mark.parametrize(
    ("text", "english"),
    [
        ("The dog runs along the beach with a stick in its mouth.", True),
        ("Yes.", True),
        ("Caf\u00e9 tables stand in front of the na\u00efve painter's house.", True),
        ("Der Hund l\u00e4uft am Strand entlang und tr\u00e4gt einen Stock im Maul.", False),
        ("Le chien court sur la plage avec un b\u00e2ton dans la gueule.", False),
        ("El perro corre por la playa con un palo en la boca.", False),
        ("De hond rent over het strand met een stok in zijn bek.", False),
        ("\u72d7\u5728\u6c99\u6ee9\u4e0a\u5954\u8dd1\u3002", False),
    ],
)
def test_english_is_told_from_other_languages(text: str, english: bool) -> None:
    assert is_english(words_of(text)) is english
    assert (fault_of_text([("", text)], Wanted(min_words=0)) == "language") is not english
    assert fault_of_text([("", text)], Wanted(min_words=0, language="any")) is None


def test_answers_are_neither_short_nor_long_nor_a_loop() -> None:
    wanted = Wanted(min_words=4, max_words=30)
    assert fault_of_text([(QUESTION, "It runs."), (QUESTION, "It sits.")], wanted) is None
    assert fault_of_text([(QUESTION, "It runs.")], wanted) == "short"
    assert fault_of_text([(QUESTION, sentences("x", 3))], wanted) == "long"
    assert fault_of_text([(QUESTION, "the dog is red and " * 6)], wanted) == "loop"


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"language": "de"}, "language must be en or any, got de"),
        ({"min_words": 9, "max_words": 8}, "min_words=9 must be"),
    ],
)
def test_senseless_wishes_are_refused(wrong: dict[str, int | str], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Wanted(**wrong)  # type: ignore[arg-type]
