"""Pieces of an answer are the answer, and what is said is never taken back."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlm.llm.decoding import Decoding
from vlm.model.generate import Answerer
from vlm.serving.writing import AnswerText, Finish, _certain


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_pieces_are_the_text(answerer: Answerer, data: st.DataObject) -> None:
    tokenizer = answerer.model.llm.tokenizer
    ids = data.draw(st.lists(st.integers(0, len(tokenizer) - 1), min_size=1, max_size=20))
    letters = tokenizer.decode(ids, skip_special_tokens=True)
    stops = (
        tuple(data.draw(st.lists(st.sampled_from([*letters, letters[3:6], "\n", "zz"]), max_size=2)))
        if letters
        else ()
    )
    decoding = Decoding(len(ids), stop=tuple(stop for stop in stops if stop))
    answer, said = AnswerText(tokenizer, decoding, [tokenizer.eos_token_id], 1000), ""
    for word in ids:
        answer.add(word)
        said += answer.take()
        if answer.finish:
            break
    assert answer.finish
    written = tokenizer.decode(answer.ids, skip_special_tokens=True)
    assert said == decoding.cut(written).strip() == answer.text


def test_the_context_cuts(answerer: Answerer) -> None:
    answer = AnswerText(answerer.model.llm.tokenizer, Decoding(100), [], room=2)
    answer.add(40)
    assert answer.finish is None
    answer.add(41)
    assert answer.finish is Finish.length


@pytest.mark.parametrize(
    ("text", "stops", "certain"),
    [
        ("a b ", (), "a b"),
        ("caf\N{REPLACEMENT CHARACTER}", (), "caf"),
        ("one ##", ("###",), "one"),
        ("one #x", ("###",), "one #x"),
        ("say </", ("</s>", "###"), "say"),
        ("ab", ("b!", "ab?"), ""),
    ],
)
def test_what_may_yet_change_is_held_back(text: str, stops: tuple[str, ...], certain: str) -> None:
    assert _certain(text, stops) == certain
