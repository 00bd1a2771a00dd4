"""The bytes of tokens are those of the text that they were cut from."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from vlm.model.generate import Answerer
from vlm.serving.spelling import Spelling

TEXTS = st.text("ab red.\n  é\N{GRINNING FACE}\N{REPLACEMENT CHARACTER}", max_size=20)


def sentencepiece_like(folder: Path) -> PreTrainedTokenizerBase:
    """A vocabulary as Llama 2's: spaces are `▁`, bytes are `<0xF0>`, and a text's first space is left out."""
    letters = ["<unk>", "<s>", *(f"<0x{byte:02X}>" for byte in range(256)), *"▁abred.", "▁a"]
    file = folder / "tokenizer.json"
    replaced = {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}
    steps = [
        replaced,
        {"type": "ByteFallback"},
        {"type": "Fuse"},
        {"type": "Strip", "content": " ", "start": 1, "stop": 0},
    ]
    model = {
        "type": "BPE", "vocab": {piece: place for place, piece in enumerate(letters)}, "merges": [["▁", "a"]],
        "unk_token": "<unk>", "fuse_unk": True, "byte_fallback": True, "dropout": None,
        "ignore_merges": False, "continuing_subword_prefix": None, "end_of_word_suffix": None,
    }  # fmt: skip
    prepend = {"type": "Prepend", "prepend": "▁"}
    spaces = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}
    whole = {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "pre_tokenizer": None,
        "normalizer": {"type": "Sequence", "normalizers": [prepend, spaces]}, "post_processor": None,
        "decoder": {"type": "Sequence", "decoders": steps}, "model": model,
    }  # fmt: skip
    file.write_text(json.dumps(whole))
    return PreTrainedTokenizerFast(tokenizer_file=str(file), unk_token="<unk>", bos_token="<s>")


@pytest.fixture(scope="module")
def pieces(tmp_path_factory: pytest.TempPathFactory) -> PreTrainedTokenizerBase:
    return sentencepiece_like(tmp_path_factory.mktemp("pieces"))


@given(text=TEXTS)
def test_bytes_of_byte_level_tokens_are_the_texts(text: str, answerer: Answerer) -> None:
    tokenizer = answerer.model.llm.tokenizer
    spelling = Spelling(tokenizer)
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert b"".join(spelling[token] for token in ids).decode() == text


@given(text=TEXTS.filter(bool))
def test_bytes_of_sentencepieces_are_the_texts_after_a_space(
    text: str, pieces: PreTrainedTokenizerBase
) -> None:
    spelling = Spelling(pieces)
    ids = pieces(text, add_special_tokens=False)["input_ids"]
    assert b"".join(spelling[token] for token in ids).decode() == f" {text}"


def test_what_is_no_word_is_spelled_too(answerer: Answerer) -> None:
    tokenizer = answerer.model.llm.tokenizer
    spelling = Spelling(tokenizer)
    assert spelling[tokenizer.eos_token_id] == tokenizer.eos_token.encode()
    assert spelling[len(tokenizer) + 1] == b"", "large models have rows that no token has"
