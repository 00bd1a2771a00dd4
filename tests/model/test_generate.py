"""Answers do not depend on what else is asked, nor on who asks."""

from collections.abc import Iterator

import pytest
import torch
from omegaconf import DictConfig

from tests.conftest import Compose
from vlm.build import build_answerer, build_model
from vlm.build_benchmarks import build_benchmarks
from vlm.data.sample import Prompt
from vlm.llm.decoding import Decoding
from vlm.model.beginnings import pad_prompts
from vlm.model.generate import Answerer


def build(config: DictConfig) -> Answerer:
    model = build_model(config)
    torch.manual_seed(0)
    model.configure_model()
    # Tied to the embedding, a random head would say the last word again and again.
    head = model.llm.network.lm_head
    head.weight = torch.nn.Parameter(torch.randn_like(head.weight))
    return build_answerer(config, model.eval(), 6)


@pytest.fixture
def answerer(compose: Compose) -> Answerer:
    return build(compose("twin=true"))


@pytest.fixture
def prompts(compose: Compose) -> list[Prompt]:
    """Of several lengths, with no picture, one, the same as another has, and two."""
    questions = build_benchmarks(compose())["shapes"].questions()[:18]
    shown = [tuple(picture.read() for picture in question.pictures) for question in questions]
    # Half of them about the first three pictures, as benchmarks ask several things about each.
    asked = [(number % 18, number if number < 18 else number % 3) for number in range(33)]
    prompts = [
        Prompt(questions[text].text + " Why?" * (seed % 5), shown[picture], seed)
        for seed, (text, picture) in enumerate(asked)
    ]
    prompts[3] = Prompt("What is red?", (), 3)
    prompts[7] = Prompt("What is green and not red?", (), 7)
    prompts[11] = Prompt("<image>\n<image>\nAre they the same?", shown[0] + shown[1], 11)
    return prompts


def answers_in(answerer: Answerer, prompts: list[Prompt], size: int) -> list[str]:
    batches = [prompts[first : first + size] for first in range(0, len(prompts), size)]
    return [answer for answers in answerer.stream(batches) for answer in answers]


@pytest.mark.parametrize("llm", ["tiny_llama", "mistral7b", "qwen25_15b"])
def test_answers_are_the_same_at_every_batch_size(llm: str, compose: Compose, prompts: list[Prompt]) -> None:
    answerer = build(compose(f"llm={llm}", "twin=true"))
    alone = answers_in(answerer, prompts, 1)
    assert len(set(alone)) > 3
    assert answers_in(answerer, prompts, 7) == alone == answers_in(answerer, prompts, 32)
    assert list(reversed(answers_in(answerer, prompts[::-1], 7))) == alone


@pytest.mark.parametrize("how", [{"temperature": 0.7}, {"temperature": 1.0, "top_p": 0.9, "top_k": 50}])
def test_drawn_answers_are_too_and_follow_their_seeds(
    answerer: Answerer, prompts: list[Prompt], how: dict[str, int | float]
) -> None:
    answerer.decoding = Decoding(6, **how)
    alone = answers_in(answerer, prompts[:10], 1)
    assert answers_in(answerer, prompts[:10], 7) == alone
    other = [Prompt(prompt.text, prompt.images, prompt.seed + 1) for prompt in prompts[:10]]
    assert answers_in(answerer, other, 7) != alone


def test_beams_are_too_and_find_what_is_at_least_as_likely(answerer: Answerer, prompts: list[Prompt]) -> None:
    answerer.decoding = Decoding(6, num_beams=3)
    assert answers_in(answerer, prompts[:10], 1) == answers_in(answerer, prompts[:10], 4)


def test_a_seed_draws_by_the_softmax() -> None:
    logits = torch.tensor([[0.5, 1.5, -1.0, 0.0]])
    warp = Decoding(1, temperature=2.0).draws([0])
    drawn = torch.zeros(4)
    for seed in range(4000):
        warp[-1].seeds = [seed]
        drawn[warp(torch.zeros(1, 0, dtype=torch.long), logits).argmax()] += 1
    assert torch.allclose(drawn / 4000, torch.softmax(logits[0] / 2, -1), atol=0.025)


def test_a_stop_ends_an_answer_and_is_no_part_of_it(answerer: Answerer, prompts: list[Prompt]) -> None:
    answerer.decoding = Decoding(12)
    whole = answers_in(answerer, prompts[:6], 6)
    stop = next(text[len(text) // 2] for text in whole if len(text) > 6)
    answerer.decoding = Decoding(12, stop=(stop,))
    assert answers_in(answerer, prompts[:6], 6) == [text.split(stop)[0].strip() for text in whole]


def test_a_prompt_that_fills_the_context_is_named(answerer: Answerer, prompts: list[Prompt]) -> None:
    long = Prompt("Why? " * 3000, (), 0)
    with pytest.raises(ValueError, match=r"llm.context_length is .* It begins: 'Why"):
        answerer([long])


def test_the_context_cuts_each_answer_by_its_own_room(answerer: Answerer, prompts: list[Prompt]) -> None:
    lengths = [len(row) for row in answerer.prepare(prompts[:8]).rows]
    answerer.model.llm.context_length = max(lengths) + 2
    assert answers_in(answerer, prompts[:8], 8) == answers_in(answerer, prompts[:8], 1)


def test_a_picture_that_is_shown_again_is_encoded_once(answerer: Answerer, prompts: list[Prompt]) -> None:
    shown = [prompts[0], prompts[18], prompts[11]]
    assert len(answerer.prepare(shown).tiles) == 2


def test_what_begins_alike_is_read_once(answerer: Answerer, prompts: list[Prompt]) -> None:
    alike = [*prompts[18:30], prompts[3]]
    batch = answerer.prepare(alike)
    model = answerer.model
    embedded = model.embed(torch.cat(list(batch.rows)), batch.tiles, batch.visual_index)
    each = torch.split(embedded, [len(row) for row in batch.rows])
    padded = pad_prompts(batch.rows, batch.visual_index, each)
    assert padded.shared is not None
    assert len(padded.shared.rows) == 4
    assert len(padded.shared.of) == 13
    for row, alone, mask in zip(padded.sequence, each, padded.mask, strict=True):
        assert torch.equal(row[mask.bool()], alone)
    visual = len(batch.visual_index) // 12
    assert pad_prompts(batch.rows[:3], batch.visual_index[: 3 * visual], each[:3]).shared is None
    assert answers_in(answerer, alike, 13) == answers_in(answerer, alike, 1)


def test_one_batch_is_prepared_while_another_is_answered(answerer: Answerer, prompts: list[Prompt]) -> None:
    asked: list[int] = []

    def batches() -> Iterator[list[Prompt]]:
        for number in range(4):
            asked.append(number)
            yield prompts[number : number + 1]

    next(answers := answerer.stream(batches()))
    assert asked == [0, 1]  # one ahead, and no more: memory does not grow with the questions
    assert len(list(answers)) == 3


@pytest.mark.parametrize(
    ("how", "key"), [({"temperature": 1.0, "num_beams": 2}, "num_beams=2"), ({"top_p": 0.9}, "top_p")]
)
def test_settings_that_contradict_each_other_are_refused(how: dict[str, int | float], key: str) -> None:
    with pytest.raises(ValueError, match=key):
        Decoding(1, **how)
