"""Values that are words of a sentence and come out as they were."""

from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from tests.exchange.upstream import change_json, llava, processor, write_tokenizer
from vlm.compose import compose_sentence
from vlm.exchange.foreign import recognise
from vlm.exchange.words import spell, template_of


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        3,
        1e-05,
        -2.5,
        "a b=c, [d] {e} 'f' \"g\" ~ + # :",
        "/some where/llava-1.5",
        "1e3",
        [[1, 2], [2, 1]],
        {
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e4},
            "layer_types": ["a", "b"],
            "x": None,
        },
    ],
)
def test_words_keep_values(value: Any) -> None:
    config = compose_sentence([spell("llm.config", value)]).config
    read = config.llm.config
    read = OmegaConf.to_container(read) if OmegaConf.is_config(read) else read
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize("value", ["a\\b", "${oc.env:HOME}"])
def test_texts_that_would_be_read_otherwise_are_refused(value: str) -> None:
    with pytest.raises(ValueError, match="no word can have"):
        spell("llm.checkpoint", value)


@pytest.mark.parametrize("key", ["_target_", "a:b", "a}", ""])
def test_keys_that_are_more_than_keys_are_refused(key: str) -> None:
    """A `_target_` of somebody else's file would be instantiated."""
    with pytest.raises(ValueError, match="do not use this folder"):
        spell("llm.config", {"rope_parameters": {key: "os.system"}})


def test_a_configuration_that_names_a_class_is_refused(tmp_path: Path) -> None:
    llava().save_pretrained(tmp_path)
    write_tokenizer(tmp_path)
    processor().save_pretrained(tmp_path)
    text = {
        "model_type": "llama",
        "rope_parameters": {"rope_type": "default", "rope_theta": 1.0, "_target_": "os.system"},
    }
    change_json(tmp_path / "config.json", text_config=text)
    with pytest.raises(ValueError, match="called _target_; do not use this folder"):
        recognise(tmp_path, None)


@pytest.mark.parametrize(
    ("kind", "text", "template"),
    [
        ("llama", "", "v1"),
        ("llama", '{"6": {"content": "<|im_start|>"}}', "chatml"),
        ("llama", '["<|start_header_id|>", "<|im_start|>"]', "llama3"),
        ("mistral", "<|im_start|>", "mistral"),
        ("qwen2", "", "own"),
    ],
)
def test_templates_are_told_by_tokens(kind: str, text: str, template: str, tmp_path: Path) -> None:
    (tmp_path / "tokenizer_config.json").write_text(text)
    assert template_of(kind, str(tmp_path)) == template
