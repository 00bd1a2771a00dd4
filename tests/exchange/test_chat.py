"""Our templates in Jinja."""

import re
from functools import cache
from pathlib import Path

import pytest
from omegaconf import OmegaConf
from transformers import AutoTokenizer

from vlm.compose import compose_sentence
from vlm.data.sample import Turn
from vlm.data.template import Template
from vlm.exchange.chat import chat_template, gap_after_pictures, template_choices, template_name
from vlm.instantiate import make
from vlm.paths import assets_dir

TURNS = [
    Turn("human", "<image>\nWhat 'is' it?"),
    Turn("gpt", "A \\ cat."),
    Turn("human", "<image>\nAnd\n\nnow?"),
]


@cache
def template_of(name: str) -> Template:
    template: Template = make(compose_sentence([f"template@llm.template={name}"]).config.llm.template)
    return template


ROLES = {"human": "user", "gpt": "assistant"}


@pytest.fixture(scope="module")
def tokenizer():
    return AutoTokenizer.from_pretrained(assets_dir() / "tiny_llama")


def messages(as_parts: bool) -> list[dict]:
    made = []
    for turn in TURNS:
        text = turn.text.removeprefix("<image>\n")
        picture = [{"type": "image"}] if text != turn.text else []
        content = [*picture, {"type": "text", "text": text}] if as_parts else turn.text
        made.append({"role": ROLES[turn.speaker], "content": content})
    return made


@pytest.mark.parametrize("as_parts", [True, False])
@pytest.mark.parametrize("name", [name for name in template_choices() if name not in ("own", "plain")])
def test_conversations_are_ours_to_the_character(name: str, as_parts: bool, tokenizer) -> None:
    template = template_of(name)
    said = tokenizer.apply_chat_template(
        messages(as_parts),
        chat_template=chat_template(template, ""),
        tokenize=False,
        add_generation_prompt=True,
    )
    assert said == template.prompt(TURNS)


def test_plain_drops_the_question(tokenizer) -> None:
    template = template_of("plain")
    said = tokenizer.apply_chat_template(
        messages(True)[:1], chat_template=chat_template(template, ""), tokenize=False
    )
    assert said == "<image>" == template.prompt(TURNS[:1])


def test_a_gap_stands_between_pictures_and_text_only(tokenizer) -> None:
    template = template_of("bare")
    parts = [{"type": "image"}, {"type": "image"}, {"type": "text", "text": "Two?"}]
    said = tokenizer.apply_chat_template(
        [{"role": "user", "content": parts}], chat_template=chat_template(template, " "), tokenize=False
    )
    assert said == "USER: <image> \n<image> \nTwo? ASSISTANT:"


def test_others_have_no_say_in_the_system_text(tokenizer) -> None:
    template = template_of("bare")
    with pytest.raises(Exception, match="a system text of its own"):
        tokenizer.apply_chat_template(
            [{"role": "system", "content": "Be rude."}],
            chat_template=chat_template(template, ""),
            tokenize=False,
        )


def test_a_tokenizer_without_spaces_of_its_own_needs_no_gap(tokenizer) -> None:
    others = AutoTokenizer.from_pretrained(assets_dir() / "tiny_llama")
    others.add_tokens(["<image>"], special_tokens=True)
    assert gap_after_pictures(tokenizer, others) == ""


@pytest.mark.parametrize("name", ["v1", "llava_v1", "chatml", "smollm"])
def test_templates_are_known_by_their_settings(name: str) -> None:
    settings = compose_sentence([f"template@llm.template={name}"]).config.llm.template
    assert template_name(settings) == name
    changed = OmegaConf.merge(settings, {"answer_end": "!"})
    assert template_name(changed) is None


def test_every_choice_is_a_file_of_the_group() -> None:
    folder = Path(__file__).parents[2] / "conf/template"
    assert set(template_choices()) == {re.sub(r"\.yaml$", "", path.name) for path in folder.iterdir()}
