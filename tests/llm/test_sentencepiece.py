"""Words read from sentencepiece's file alone are what sentencepiece makes of the same text."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sentencepiece import SentencePieceProcessor, SentencePieceTrainer, sentencepiece_model_pb2
from transformers import PreTrainedTokenizerBase

from vlm.data.template import PlainTemplate
from vlm.data.tokens import SPACE, encode, opening
from vlm.llm.causal import CausalLM

TEXTS = ["a red circle and a blue square", "def f(x):\n    return x\n", "is  it   red?    no"] * 40


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As Vicuna is published; pieces of spaces come last, as Llama's do."""
    made = tmp_path_factory.mktemp("words")
    SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS), model_prefix=str(made / "tokenizer"), vocab_size=330,
        model_type="bpe", byte_fallback=True, hard_vocab_limit=False, minloglevel=2,
        remove_extra_whitespaces=False, allow_whitespace_only_pieces=True, normalization_rule_name="identity",
    )  # fmt: skip
    file = made / "tokenizer.model"
    model = sentencepiece_model_pb2.ModelProto.FromString(file.read_bytes())
    for piece in model.pieces:
        if not piece.piece.strip(SPACE):
            piece.score = -1e9
    file.write_bytes(model.SerializeToString())
    settings = {"tokenizer_class": "LlamaTokenizer", "legacy": False, "add_bos_token": True}
    (made / "tokenizer_config.json").write_text(json.dumps(settings))
    return made


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    return CausalLM(
        str(folder), "random", {"model_type": "llama"}, PlainTemplate("\n"), "<unk>", 64, "MIT"
    ).tokenizer


@given(text=st.text("ab rdcif():\nx ?   é", max_size=40))
def test_every_text_is_cut_as_sentencepiece_cuts_it(
    text: str, folder: Path, tokenizer: PreTrainedTokenizerBase
) -> None:
    pieces = SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
    assert encode(text, tokenizer)[0] == pieces.encode(text)


def test_characters_are_those_of_the_text(tokenizer: PreTrainedTokenizerBase) -> None:
    text = "  a red  circle"
    _, characters = encode(text, tokenizer)
    assert (characters[:, 0] <= characters[:, 1]).all()
    assert characters[-1, 1] == len(text)
    assert {place for first, after in characters for place in range(first, after)} == set(range(len(text)))


def test_it_opens_with_the_bos_and_knows_its_context(tokenizer: PreTrainedTokenizerBase) -> None:
    assert opening(tokenizer) == (1,)
    assert tokenizer.model_max_length == 64
