"""Pieces of an answer are the answer, and what is said is never taken back."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlm.llm.decoding import Decoding
from vlm.model.generate import Answerer
from vlm.serving.logprobs import TokenLogprob
from vlm.serving.writing import BROKEN, AnswerText, Finish, _certain


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


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_tokens_are_told_with_the_text_that_they_begin(answerer: Answerer, data: st.DataObject) -> None:
    tokenizer = answerer.model.llm.tokenizer
    ids = data.draw(st.lists(st.integers(0, len(tokenizer) - 1), min_size=1, max_size=20))
    letters = tokenizer.decode(ids, skip_special_tokens=True)
    stops = data.draw(st.lists(st.sampled_from([letters[2:4], letters[3:6], "\n"]), max_size=2))
    decoding, ends = Decoding(len(ids), stop=tuple(filter(None, stops))), [tokenizer.eos_token_id]
    answer, whole = (AnswerText(tokenizer, decoding, ends, 1000) for _ in range(2))
    told: list[TokenLogprob] = []
    for number, word in enumerate(ids):
        logprob = TokenLogprob(word, float(-number), ())
        for one in (answer, whole):
            one.add(word, logprob)
        answer.take()
        told += answer.take_logprobs()
        if answer.finish:
            break
    assert told == whole.take_logprobs(), "in pieces and at once"
    assert [one.id for one in told] == answer.ids[: len(told)]
    assert answer.ids[-1] not in ends or len(told) < len(answer.ids)
    said = tokenizer.decode([one.id for one in told], skip_special_tokens=True)
    assert said.strip().startswith(answer.text) or BROKEN in answer.text
    if decoding.cut(tokenizer.decode(answer.ids, skip_special_tokens=True)) == letters:
        assert [one.id for one in told] == [word for word in answer.ids if word not in ends]


def test_the_token_that_ends_an_answer_is_not_told(answerer: Answerer) -> None:
    tokenizer = answerer.model.llm.tokenizer
    answer = AnswerText(tokenizer, Decoding(9), [tokenizer.eos_token_id], 1000)
    for word in (40, tokenizer.eos_token_id):
        answer.add(word, TokenLogprob(word, -1.0, ()))
    assert answer.finish is Finish.stop
    assert [one.id for one in answer.take_logprobs()] == [40]


def test_a_stop_may_begin_with_the_spaces_before_the_first_word(answerer: Answerer) -> None:
    tokenizer = answerer.model.llm.tokenizer
    decoding = Decoding(9, stop=(" red!",))
    answer = AnswerText(tokenizer, decoding, [], 1000)
    for word in tokenizer.convert_tokens_to_ids(["Ġred", "!"]):
        answer.add(word)
        assert not answer.take()
    assert answer.finish is Finish.stop


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
