"""Templates and tokens: the right characters, and only they, are supervised."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

from vlm.data.sample import Turn
from vlm.data.template import PlainTemplate, TurnTemplate
from vlm.data.tokens import IGNORE_ID, IMAGE_ID, tokenize
from vlm.paths import assets_dir

TOKENIZER = AutoTokenizer.from_pretrained(assets_dir() / "tiny_llama")
VICUNA = TurnTemplate("Be good. ", "USER: ", " ASSISTANT: ", "</s>")
TURNS = (
    Turn("human", "<image>\nWhat color is it?"),
    Turn("gpt", "red"),
    Turn("human", "Sure?"),
    Turn("gpt", "yes"),
)


def supervised_text(ids: list[int], labels: list[int]) -> str:
    assert all(label in (token, IGNORE_ID) for token, label in zip(ids, labels, strict=True))
    return str(TOKENIZER.decode([label for label in labels if label != IGNORE_ID]))


def test_vicunas_text_is_exact() -> None:
    text = "".join(span.text for span in VICUNA.render(TURNS))
    assert text == (
        "Be good. USER: <image>\nWhat color is it? ASSISTANT: red</s>USER: Sure? ASSISTANT: yes</s>"
    )
    assert VICUNA.prompt(TURNS[:1]) == "Be good. USER: <image>\nWhat color is it? ASSISTANT:"


def test_answers_and_their_ends_are_supervised() -> None:
    tokens = tokenize(VICUNA.render(TURNS), TOKENIZER)
    assert supervised_text(tokens.ids, tokens.labels).split() == ["red</s>", "yes</s>"]
    assert tokens.ids.count(IMAGE_ID) == 1
    assert tokens.ids[0] == TOKENIZER.bos_token_id


def test_a_prompt_is_the_beginning_of_the_training_text() -> None:
    """What is generated goes on exactly where training put the answer."""
    whole = tokenize(VICUNA.render(TURNS[:2]), TOKENIZER)
    prompt = tokenize([type(VICUNA.render(TURNS)[0])(VICUNA.prompt(TURNS[:1]))], TOKENIZER)
    first = next(place for place, label in enumerate(whole.labels) if label != IGNORE_ID)
    assert whole.ids[:first] == prompt.ids


def test_plain_drops_the_question_and_learns_the_caption_and_newline() -> None:
    spans = PlainTemplate("\n").render([Turn("human", "<image>\nDescribe."), Turn("gpt", "a cat")])
    tokens = tokenize(spans, TOKENIZER)
    assert tokens.ids[:2] == [TOKENIZER.bos_token_id, IMAGE_ID]
    assert supervised_text(tokens.ids, tokens.labels) == "a cat\n"


@given(
    st.lists(
        st.text(st.characters(codec="utf-8", exclude_characters="<>"), min_size=1), min_size=2, max_size=6
    )
)
def test_labels_follow_characters_whatever_the_text(texts: list[str]) -> None:
    turns = [
        Turn(("human", "gpt")[place % 2], text) for place, text in enumerate(texts[: len(texts) // 2 * 2])
    ]
    tokens = tokenize(VICUNA.render(turns), TOKENIZER)
    answers = "".join(f"{turn.text}</s>" for turn in turns if turn.speaker == "gpt")
    learned = supervised_text(tokens.ids, tokens.labels)
    assert learned.replace(" ", "") == answers.replace(" ", "")


@pytest.mark.parametrize("speakers", [[], ["gpt"], ["human", "human"], ["human", "gpt", "gpt"]])
def test_turns_must_alternate(speakers: list[str]) -> None:
    with pytest.raises(ValueError, match="alternate"):
        VICUNA.render([Turn(speaker, "x") for speaker in speakers])


def test_plain_wants_one_picture_and_one_caption() -> None:
    with pytest.raises(ValueError, match="plain"):
        PlainTemplate("\n").render([Turn("human", "no picture"), Turn("gpt", "x")])


def test_every_word_of_the_shapes_world_is_one_token() -> None:
    from vlm.corpus.shapes.scene import COLORS, PLACES, SHAPES, SIZES, WORDS

    for word in (*COLORS, *PLACES, *SHAPES, *SIZES, *WORDS):
        assert len(TOKENIZER(f" {word}", add_special_tokens=False)["input_ids"]) == 1, word


def test_any_text_survives_the_tokenizer() -> None:
    text = "Añejo ☕ <tag> 12,345\tq.e.d.\n\n"
    assert TOKENIZER.decode(TOKENIZER(text, add_special_tokens=False)["input_ids"]) == text
