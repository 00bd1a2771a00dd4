"""A system message stands where the template's own system text does."""

import pytest

from tests.conftest import Compose
from vlm.data.sample import Turn
from vlm.data.template import Template
from vlm.instantiate import make
from vlm.serving.system import with_system

TURNS = [Turn("human", "Hi")]
PLACES = {
    "v1": "Be brief. USER: Hi ASSISTANT:",
    "v0": "Be brief.\n\n### Human: Hi\n### Assistant:",
    "chatml": "<|im_start|>system\nBe brief.<|im_end|><|im_start|>user\nHi<|im_end|><|im_start|>assistant\n",
    "qwen": "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n",
    "llama_2": "[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nHi [/INST]",
}


def template(compose: Compose, name: str) -> Template:
    return make(compose(f"+template@stage.template={name}").stage.template)


@pytest.mark.parametrize("name", PLACES)
def test_it_takes_the_place_of_the_templates_own(name: str, compose: Compose) -> None:
    own = template(compose, name)
    before = own.prompt(TURNS)
    assert with_system(own, " Be brief.\n").prompt(TURNS).startswith(PLACES[name].rstrip(" "))
    assert own.prompt(TURNS) == before, "the template itself is as it was"


@pytest.mark.parametrize("name", ["bare", "gemma", "plain", "mistral"])
def test_a_template_without_a_place_says_so(name: str, compose: Compose) -> None:
    with pytest.raises(ValueError, match="no place for a system message"):
        with_system(template(compose, name), "Be brief.")
