"""The chat template that a tokenizer carries, and the templates by name that equal published ones."""

import pytest
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from tests.conftest import Compose
from tests.data.test_llava import TURNS, template, text
from vlm.data.chat_template import OwnTemplate
from vlm.data.template import Template
from vlm.paths import assets_dir

LOOP = "{% for message in messages %}BODY{% endfor %}"
CHATML = LOOP.replace(
    "BODY", "{{'<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>' + '\n'}}"
)
OPENED = (
    "{% if messages[0].role != 'system' %}{{'<|im_start|>system\nSYSTEM<|im_end|>\n'}}{% endif %}" + CHATML
)
PUBLISHED = {
    "qwen": OPENED.replace(
        "SYSTEM", "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."
    ),
    "smollm": OPENED.replace(
        "SYSTEM", "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
    ),
    "llama3": "{{bos_token}}" + LOOP.replace(
        "BODY",
        "{{'<|start_header_id|>' + message.role + '<|end_header_id|>\n\n' + message.content + '<|eot_id|>'}}",
    ),
    "gemma": "{{bos_token}}" + LOOP.replace(
        "BODY",
        "{{'<start_of_turn>' + ('model' if message.role == 'assistant' else message.role) + '\n' "
        "+ message.content + '<end_of_turn>\n'}}",
    ),
    "phi3": LOOP.replace("BODY", "{{'<|' + message.role + '|>\n' + message.content + '<|end|>\n'}}")
    + "{% if not add_generation_prompt %}{{eos_token}}{% endif %}",
    "mistral": "{{bos_token}}" + LOOP.replace(
        "BODY",
        "{% if message.role == 'user' %}{{'[INST] ' + message.content + ' [/INST]'}}"
        "{% else %}{{' ' + message.content + ' ' + eos_token}}{% endif %}",
    ),
}  # fmt: skip
"""What these models' tokenizers carry, as far as conversations of two sides need it."""


def tokenizer(chat_template: str | None) -> PreTrainedTokenizerBase:
    made = AutoTokenizer.from_pretrained(assets_dir() / "tiny_llama")
    made.chat_template = chat_template
    return made


def own(chat_template: str) -> Template:
    return OwnTemplate().of(tokenizer(chat_template))


@pytest.mark.parametrize("choice", sorted(PUBLISHED.keys() - {"phi3"}))
def test_own_is_what_the_tokenizer_renders(choice: str, compose: Compose) -> None:
    read, named = own(PUBLISHED[choice]), template(compose, choice)
    assert text(read) == text(named)
    assert read.prompt(TURNS[:1]) == named.prompt(TURNS[:1])
    spans = [[span.text for span in of.render(TURNS) if span.supervised] for of in (read, named)]
    assert spans[0] == spans[1]
    assert read.answer_end == named.answer_end


def test_a_text_closed_once_more_at_its_end_is_no_harm(compose: Compose) -> None:
    """Phi's ends with its EOS, which belongs to no turn."""
    assert text(own(PUBLISHED["phi3"])) == text(template(compose, "phi3"))


@pytest.mark.parametrize(
    ("chat_template", "reason"),
    [
        (LOOP.replace("BODY", "{{message.content if loop.last}}"), "it drops, repeats or moves turns"),
        (LOOP.replace("BODY", "{{loop.index}}{{message.content}}"), "it marks a later turn otherwise"),
        (LOOP.replace("BODY", "{{message.content}}"), "a longer conversation does not follow"),
        ("{{raise_exception('no')}}", "no"),
    ],
)
def test_what_is_no_marks_around_turns_is_refused(chat_template: str, reason: str) -> None:
    with pytest.raises(ValueError, match=f"template own: .*{reason}.*; choose a template by name"):
        own(chat_template)


def test_a_tokenizer_without_one_is_named() -> None:
    with pytest.raises(ValueError, match=r"tiny_llama carries no chat template; choose a template by name"):
        OwnTemplate().of(tokenizer(None))
