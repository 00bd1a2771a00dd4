"""How likely each token was, as the official client reads it, is what one pass of the model says."""

import json
from collections.abc import Iterator
from itertools import accumulate
from typing import Any

import numpy as np
import openai
import pytest
import torch
from openai.types.chat.chat_completion import ChoiceLogprobs
from openai.types.chat.chat_completion_token_logprob import ChatCompletionTokenLogprob
from torch import Tensor

from tests.serving.conftest import MOST, Running, message
from tests.serving.test_engine import Asker
from vlm.data.batch import pack
from vlm.data.document import Document
from vlm.data.sample import Prompt
from vlm.llm.decoding import Decoding
from vlm.model.generate import Answerer
from vlm.serving.engine import Engine
from vlm.serving.logprobs import UNLIKELY, read_logprobs
from vlm.serving.spelling import Spelling
from vlm.serving.writing import BROKEN, Finish

Entries = list[ChatCompletionTokenLogprob]
ASKED: dict[str, Any] = {"model": "tiny", "logprobs": True, "top_logprobs": 5}


@torch.no_grad()
def forced(answerer: Answerer, prompt: Prompt, answer: list[int]) -> Tensor:
    """Logarithms of the probability of all tokens at each place of an answer, in one pass over both."""
    prepared, transform = answerer.prepare_one(prompt, {}), answerer.image_transform
    ids = np.concatenate([prepared.ids.numpy(), np.array(answer, dtype=np.int64)])
    document = Document("asked/0", ids, ids, prepared.pictures)
    hidden = answerer.model.hidden_states(pack([document], transform.tokens_per_tile, transform.size))
    logits = hidden[len(prepared.ids) - 1 : -1] @ answerer.model.llm.head.T
    return logits.float().log_softmax(-1)


def written(answerer: Answerer, prompt: Prompt) -> list[int]:
    """The likeliest answer, as transformers' `generate` writes it, without its end."""
    batch = answerer.prepare([prompt])
    parts = (batch.rows, batch.tiles, batch.visual_index, answerer.decoding, batch.seeds)
    ids = answerer.model.generate(*parts)[0].tolist()
    ends = [place for place, word in enumerate(ids) if word in answerer.model.llm.stop_ids]
    return ids[: ends[0]] if ends else ids


def whole(server: Running, prompt: Prompt, **how: Any) -> tuple[str, Entries]:
    choice = server.client().chat.completions.create(messages=[message(prompt)], **ASKED | how).choices[0]
    assert choice.logprobs
    assert choice.logprobs.content is not None
    assert choice.logprobs.refusal is None
    return choice.message.content or "", choice.logprobs.content


def streamed(server: Running, prompt: Prompt, **how: Any) -> Iterator[tuple[str, Entries | None]]:
    asked = ASKED | how | {"stream": True}
    for chunk in server.client().chat.completions.create(messages=[message(prompt)], **asked):
        said: ChoiceLogprobs | None = chunk.choices[0].logprobs
        yield chunk.choices[0].delta.content or "", said.content if said else None


def same(found: Entries, expected: Entries) -> None:
    """Alike but for what the order of sums does."""
    assert [(one.token, one.bytes) for one in found] == [(one.token, one.bytes) for one in expected]
    assert [one.logprob for one in found] == pytest.approx([one.logprob for one in expected], abs=1e-5)


def test_they_are_the_models_own(server: Running, prompts: list[Prompt], answerer: Answerer) -> None:
    spelling, lengths = Spelling(answerer.model.llm.tokenizer), set()
    for prompt in prompts[:6]:
        ids = written(answerer, prompt)
        expected = forced(answerer, prompt, ids)
        _, entries = whole(server, prompt)
        assert [bytes(one.bytes or []) for one in entries] == [spelling[word] for word in ids]
        own = expected[range(len(ids)), ids]
        assert [one.logprob for one in entries] == pytest.approx(own.tolist(), abs=1e-4)
        assert sum(one.logprob for one in entries) == pytest.approx(float(own.sum()), abs=1e-3)
        likeliest = expected.topk(5).values.tolist()
        for one, most in zip(entries, likeliest, strict=True):
            assert [other.logprob for other in one.top_logprobs] == pytest.approx(most, abs=1e-4)
            first = one.top_logprobs[0]
            assert (first.token, first.bytes, first.logprob) == (one.token, one.bytes, one.logprob)
        lengths.add(len(ids))
    assert max(lengths) > 2


def test_how_a_token_is_drawn_does_not_change_them(
    server: Running, prompts: list[Prompt], answerer: Answerer
) -> None:
    greedy, drawn = whole(server, prompts[0])[1], whole(server, prompts[0], temperature=2, seed=4)[1]
    assert any(one.token != one.top_logprobs[0].token for one in drawn)
    assert [one.logprob for one in drawn[0].top_logprobs] == pytest.approx(
        [one.logprob for one in greedy[0].top_logprobs], abs=1e-5
    )


def test_a_stream_tells_the_same_with_the_text_that_they_make(server: Running, prompts: list[Prompt]) -> None:
    for prompt in prompts[:8]:
        text, expected = whole(server, prompt)
        chunks = list(streamed(server, prompt))
        assert "".join(piece for piece, _ in chunks) == text
        assert all(entries is not None for piece, entries in chunks if piece)
        assert all(entries is None or entries for piece, entries in chunks if not piece)
        assert len([entries for _, entries in chunks if entries]) > 1
        same([one for _, entries in chunks for one in entries or []], expected)


@pytest.mark.parametrize("size", [1, 3, 6])
def test_what_a_stop_cut_off_is_left_out(size: int, server: Running, prompts: list[Prompt]) -> None:
    left_out = []
    for prompt in prompts[:8]:
        text, everything = whole(server, prompt)
        spelled = [bytes(one.bytes or []) for one in everything]
        stops = [text[place : place + size] for place in range(1, len(text) - size)]
        # After half a character, and after what is no word, it is not certain where a token begins.
        clear = [stop for stop in stops if BROKEN not in stop and not text.split(stop)[0].endswith(BROKEN)]
        if b"<" in b"".join(spelled) or not clear:
            continue
        stop = clear[len(clear) // 2]
        kept, entries = whole(server, prompt, stop=stop)
        assert kept == text.split(stop)[0].strip()
        starts = accumulate(map(len, spelled[:-1]), initial=0)
        begun = [start for start in starts if start < b"".join(spelled).index(stop.encode())]
        same(entries, everything[: len(begun)])
        same([one for _, some in streamed(server, prompt, stop=stop) for one in some or []], entries)
        left_out.append(len(everything) - len(begun))
    assert len(left_out) > 3
    assert max(left_out) > 1


def test_they_depend_on_nothing_else_that_is_asked(answerer: Answerer, prompts: list[Prompt]) -> None:
    engine = Engine(answerer, at_once=5, queue=100)
    tops = [None, 0, 3, 20]
    asked = [
        Asker(engine, prompt, Decoding(MOST, temperature=number % 2), top_logprobs=tops[number % 4])
        for number, prompt in enumerate(prompts[:12])
    ]
    heard = [one.hear() for one in asked]
    engine.close()  # the model is the engine's until then
    for number, (pieces, prompt) in enumerate(zip(heard, prompts, strict=False)):
        assert pieces[-1].error is None
        most = tops[number % 4]
        if most is None:
            assert all(piece.logprobs is None for piece in pieces)
            continue
        told = [each for piece in pieces for each in piece.logprobs or []]
        ids = [each.id for each in told]
        assert len(ids) == pieces[-1].num_tokens - (pieces[-1].finish is Finish.stop), "all but the end"
        own = forced(answerer, prompt, ids)[range(len(ids)), ids]
        assert [each.logprob for each in told] == pytest.approx(own.tolist(), abs=1e-4)
        assert {len(each.top) for each in told} == {most}


def test_who_does_not_ask_hears_nothing(
    server: Running, prompts: list[Prompt], monkeypatch: pytest.MonkeyPatch
) -> None:
    def computes(*given: object) -> None:
        raise AssertionError("it is computed")

    monkeypatch.setattr(Tensor, "log_softmax", computes)
    client, asked = server.client(), [message(prompts[0])]
    for how in ({}, {"logprobs": False}, {"logprobs": None, "top_logprobs": None}):
        said = client.chat.completions.create(model="tiny", messages=asked, **how)
        assert said.choices[0].logprobs is None
        assert said.choices[0].message.content
    assert all(
        entries is None for _, entries in streamed(server, prompts[0], logprobs=False, top_logprobs=None)
    )


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"top_logprobs": 2}, "top_logprobs goes with logprobs=true"),
        ({"top_logprobs": 2, "logprobs": False}, "top_logprobs goes with logprobs=true"),
        ({"top_logprobs": 21, "logprobs": True}, "top_logprobs"),
        ({"top_logprobs": -1, "logprobs": True}, "top_logprobs"),
        ({"logprobs": 5}, "logprobs"),
    ],
)
def test_what_cannot_be_told_is_refused(
    more: dict[str, Any], said: str, server: Running, prompts: list[Prompt]
) -> None:
    with pytest.raises(openai.BadRequestError, match=said):
        server.client().chat.completions.create(model="tiny", messages=[message(prompts[0])], **more)


def test_a_reply_holds_no_infinity() -> None:
    logits = torch.tensor([[0.0, -torch.inf, -1e6, 0.0]])
    for word, logprob in ((0, -np.log(2)), (1, UNLIKELY), (2, UNLIKELY)):
        (told,) = read_logprobs(logits, [word], [4])
        assert told
        assert told.logprob == pytest.approx(logprob)
        assert [number for _, number in told.top] == pytest.approx(
            [-np.log(2), -np.log(2), UNLIKELY, UNLIKELY]
        )
        json.dumps(told.top, allow_nan=False)
    (told,) = read_logprobs(torch.full((1, 3), torch.nan), [1], [0])
    assert told
    assert (told.logprob, list(told.top)) == (UNLIKELY, [])
