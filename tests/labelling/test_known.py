"""Answers that what is boxed in a picture contradicts."""

import pytest

from vlm.corpus.objects.annotations import Annotated
from vlm.labelling.known import Known

KNOWN = Known(
    [Annotated("a.jpg", ("dog", "traffic light")), Annotated("b.jpg", ("cat",))], {"dog": ["puppy"]}
)


@pytest.mark.parametrize(
    ("question", "answer", "contradicted"),
    [
        ("Is there a dog in the image?", "no", True),
        ("Is there a dog in the image?", "yes", False),
        ("Is there a dog?", "No, there is none.", True),
        ("Are there any dogs in the picture?", "no", True),
        ("Is there a cat in the image?", "yes", True),
        ("Is there a cat in the image?", "Yes, there is.", True),
        ("Is there a cat in the image?", "No, there is no cat.", False),
        ("Is there a sleeping cat?", "yes", True),  # where no cat is, none sleeps
        ("Is there a sleeping dog?", "no", False),  # it may be awake
        ("Is there a tree?", "yes", False),  # of which nobody has said anything
        ("What is this?", "A puppy at a traffic light.", False),
        ("What is this?", "A cat.", True),
        ("Describe the image.", "A dog chases two cats.", True),
        ("Is the dog left of the traffic light?", "no", False),
        ("What color is it?", "brown", False),
    ],
)
def test_an_answer(question: str, answer: str, contradicted: bool) -> None:
    assert KNOWN.contradicts("a.jpg", question, answer) is contradicted


def test_of_a_picture_that_is_not_boxed_nothing_is_known() -> None:
    assert not KNOWN.contradicts("c.jpg", "Is there a dog?", "no")
    assert "c.jpg" not in KNOWN
    assert "a.jpg" in KNOWN
