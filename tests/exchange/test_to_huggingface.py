"""Our models as transformers' own: written, read by plain transformers, and read again by us."""

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoConfig, AutoProcessor

from tests.conftest import SHARED
from tests.exchange.made import (
    assert_same_weights,
    files_of,
    largest_difference,
    make,
    many_prompts,
    said_by,
    spread,
)
from tests.exchange.upstream import load
from vlm.data.sample import Prompt
from vlm.exchange.foreign import OURS_FILE
from vlm.exchange.to_huggingface import check_huggingface, with_rows, write_huggingface
from vlm.exchange.verify import (
    ask_transformers,
    compare,
    drawn_prompts,
    exact_processor,
    inputs_of,
    pixel_difference,
)

CLIP = ("twin=true", "encoder=clip336")


def write(folder: Path, *words: str, template: str | None = None, shard_size: int = 10**9) -> tuple:
    model, config, transform = make(*words, lively="twin=true" in words)
    folder.mkdir()
    write_huggingface(model, transform, folder, shard_size)
    (folder / OURS_FILE).write_text(json.dumps({"template": template}))
    return model, config, transform


def test_fifty_answers_and_all_weights_come_back(tmp_path: Path) -> None:
    """ours -> transformers, and -> ours again."""
    folder = tmp_path / "any name"
    model, _, transform = write(folder, "stage.image.mode=crop", template="bare")
    prompts = many_prompts(50)
    mine, theirs = said_by(model, transform, prompts, 4), ask_transformers(folder, prompts, 4)
    assert compare(mine, theirs, "huggingface").prompts == 50
    assert largest_difference(mine, theirs) <= 1e-4
    assert spread(mine) > 5
    again, config, foreign = load(folder)
    assert "template@llm.template=bare" in foreign.words
    assert config.stage.image.mode.value == "crop"
    assert_same_weights(model, again)
    ours_again = said_by(again, transform, prompts, 4)
    assert [one.answer for one in ours_again] == [one.answer for one in mine]
    assert largest_difference(mine, ours_again) <= 1e-4


@pytest.mark.parametrize(
    "words",
    [
        ("llm=vicuna7b", "stage.image.mode=pad"),
        ("llm=mistral7b", "stage.image.mode=resize"),
        ("llm=qwen25_05b", "encoder.layer=[-3,-1]"),
        ("llm=vicuna7b", "encoder.class_token=true"),
        ("llm=mistral7b", "image@stage.image=anyres"),
        ("llm=qwen25_05b", "encoder=siglip384", "stage.image.mode=resize"),
        ("llm=vicuna7b", "encoder=siglip384", "image@stage.image=anyres"),
    ],
    ids=lambda words: " ".join(words),
)
def test_twins_of_all_kinds_are_the_same(words: tuple[str, ...], tmp_path: Path) -> None:
    folder = tmp_path / "x"
    model, _, transform = write(folder, *CLIP, *words)
    prompts = drawn_prompts()
    mine, theirs = said_by(model, transform, prompts), ask_transformers(folder, prompts, 8)
    compare(mine, theirs, "huggingface")
    assert largest_difference(mine, theirs) <= 1e-4
    again, _, _ = load(folder)
    assert_same_weights(model, again)


def test_what_is_written_needs_no_code_of_ours(tmp_path: Path) -> None:
    write(tmp_path / "x", shard_size=500_000)
    files = files_of(tmp_path / "x")
    assert {
        "config.json", "generation_config.json", "processor_config.json", "chat_template.jinja",
        "tokenizer.json", "tokenizer_config.json", "model.safetensors.index.json",
    } <= files  # fmt: skip
    assert sum(name.endswith(".safetensors") for name in files) > 3
    texts = "".join((tmp_path / "x" / name).read_text() for name in files if name.endswith(".json"))
    assert "auto_map" not in texts
    assert str(tmp_path) not in texts
    config = AutoConfig.from_pretrained(tmp_path / "x")
    assert (config.model_type, config.architectures) == ("llava", ["LlavaForConditionalGeneration"])
    assert config.text_config.vocab_size == 571


def test_the_word_for_pictures_is_never_said(tmp_path: Path) -> None:
    rows = torch.randn(5, 3)
    grown = with_rows({"llm.lm_head.weight": rows}, 7)["llm.lm_head.weight"]
    assert torch.equal(grown[:5], rows)
    hidden = torch.randn(100, 3)
    assert ((hidden @ grown.T).argmax(1) < 5).all()
    assert with_rows({"llm.lm_head.weight": rows}, 4)["llm.lm_head.weight"] is rows


def test_the_default_processor_is_near(tmp_path: Path) -> None:
    write(tmp_path / "x")
    assert 0 < pixel_difference(tmp_path / "x", drawn_prompts()) < 8
    square = [Prompt("<image>\nWhat?", (drawn_prompts()[0].images[0],))]
    processor = AutoProcessor.from_pretrained(tmp_path / "x")
    assert inputs_of(processor, square[0])["input_ids"].shape == (
        inputs_of(exact_processor(tmp_path / "x"), square[0])["input_ids"].shape
    )


@pytest.mark.parametrize(
    ("words", "match"),
    [
        (["projector=linear"], r"connector of two layers.*this is another MLPProjector; .*format=parts"),
        (["projector=resampler64"], "this is another PerceiverResampler"),
        ([*CLIP, "encoder=clip336_dinov2"], "one plain CLIP or SigLIP tower.*FusedEncoder"),
        ([*CLIP, "encoder=dinov2_large"], "facebook/dinov2-large is a dinov2"),
        ([*CLIP, "encoder=clip336_s2"], "MultiScaleEncoder"),
        ([*CLIP, "llm=gemma2_2b"], "caps no logits"),
        ([*CLIP, "image@stage.image=anyres", "stage.image.merge=flat"], "stage.image.merge=unpad.*with flat"),
    ],
)  # fmt: skip
def test_what_transformers_cannot_be_is_refused(words: list[str], match: str) -> None:
    model, _, transform = make(*words)
    with pytest.raises(ValueError, match=match) as error:
        check_huggingface(model, transform)
    assert "\n" not in str(error.value)
    assert "format=parts" in str(error.value)


@pytest.mark.skipif(not SHARED.exists(), reason="needs shared/data")
def test_sentencepiece_reads_around_pictures_as_ours_does(tmp_path: Path) -> None:
    """Its space before every text stands after pictures, too."""
    folder, llm = tmp_path / "x", tmp_path / "llm"
    llm.mkdir()
    (llm / "tokenizer.model").write_bytes((SHARED / "tokenizers/llama2.model").read_bytes())
    special = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<unk>"}
    settings = {"tokenizer_class": "LlamaTokenizer", "add_bos_token": True, **special}
    (llm / "tokenizer_config.json").write_text(json.dumps(settings))
    sizes = "hidden_size:32,intermediate_size:32,num_hidden_layers:1,num_attention_heads:2"
    model, _, transform = make(
        "encoder=tiny_clip", "llm=huggingface", f"llm.checkpoint={llm}", "llm.weights=random",
        f"llm.config={{model_type:llama,vocab_size:32000,{sizes}}}", "template@llm.template=v1",
    )  # fmt: skip
    folder.mkdir()
    write_huggingface(model, transform, folder)
    assert "(' ' if chunk else '')" in (folder / "chat_template.jinja").read_text()
    processor = exact_processor(folder)
    for prompt in drawn_prompts():
        [mine] = said_by(model, transform, [prompt], 1)
        ids = inputs_of(processor, prompt)["input_ids"][0].tolist()
        assert [number if number != 32000 else -200 for number in ids] == mine.ids
