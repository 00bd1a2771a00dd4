"""Parts built from what a sentence says: files found, files missing, weights that are really read."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from sentencepiece import SentencePieceProcessor, SentencePieceTrainer
from transformers import (
    AutoTokenizer,
    Dinov2Config,
    Dinov2Model,
    LlamaConfig,
    LlamaForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from tests.conftest import Compose
from vlm.build import build_model
from vlm.cli import main
from vlm.encoder.open_clip_tower import build_tower, read_config
from vlm.paths import assets_dir


def test_one_error_names_all_missing_files(compose: Compose) -> None:
    config = compose("encoder=clip336_dinov2", "llm=vicuna7b")
    with pytest.raises(ValueError, match="no hub gives it") as raised:
        build_model(config)
    message = str(raised.value)
    assert len(message.splitlines()) == 1
    for wanted in (
        "open_clip_model.safetensors of timm/vit_large_patch14_clip_336.openai into a folder",
        "encoder.encoders.dinov2.checkpoint=facebook/dinov2-large is no readable folder",
        "llm.checkpoint=lmsys/vicuna-7b-v1.5 is no readable folder",
        "say encoder.encoders.clip.weights=FOLDER",
        "say encoder.encoders.dinov2.weights=FOLDER",
        "say llm.weights=FOLDER",
    ):
        assert wanted in message


def test_nothing_is_trained_if_a_later_stages_parts_do_not_go_together(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", *words, "projector=resampler64", "stage.image.mode=anyres"]) != 0
    assert "set stage.image.merge=flat" in capsys.readouterr().err
    assert not list(tmp_path.glob("runs/*/manifest.json"))


def test_real_weights_are_read_from_local_folders(compose: Compose, tmp_path: Path) -> None:
    """One of open_clip's by name, as its hub keeps it; one of transformers', side by side."""
    tower = build_tower(read_config("ViT-S-32", tmp_path))
    clip, dino = tmp_path / "clip", tmp_path / "dino"
    clip.mkdir()
    save_file({f"visual.{n}": w for n, w in tower.state_dict().items()}, clip / "open_clip_model.safetensors")
    upstream = Dinov2Model(
        Dinov2Config(hidden_size=32, num_attention_heads=4, num_hidden_layers=3, image_size=28)
    )
    upstream.save_pretrained(dino)
    model = build_model(compose(
        "encoder=clip336_dinov2", "encoder.encoders.clip.architecture=ViT-S-32",
        f"encoder.encoders.clip.weights={clip}", f"encoder.encoders.dinov2.weights={dino}",
        "encoder.encoders.dinov2.config=null", "encoder.encoders.dinov2.image_size=null",
    ))  # fmt: skip
    model.configure_model()
    read = model.encoder.state_dict()
    for prefix, source in (("network.0.network.", tower), ("network.1.network.", upstream)):
        known = source.state_dict()
        mine = {n.removeprefix(prefix): w for n, w in read.items() if n.startswith(prefix)}
        assert mine
        assert all(torch.equal(weight, known[name]) for name, weight in mine.items())
    assert model.encoder.image_size == 224


def test_a_sentence_trains_on_checkpoints_in_upstreams_format(words: list[str], tmp_path: Path) -> None:
    vision, language = tmp_path / "vision", tmp_path / "language"
    Dinov2Model(
        Dinov2Config(hidden_size=32, num_attention_heads=4, num_hidden_layers=3, image_size=28)
    ).save_pretrained(vision)
    (vision / "preprocessor_config.json").write_text(
        '{"image_mean": [0.4, 0.5, 0.6], "image_std": [0.2, 0.2, 0.2]}'
    )
    tokenizer = AutoTokenizer.from_pretrained(assets_dir() / "tiny_llama")
    tokenizer.save_pretrained(language)
    Qwen2ForCausalLM(
        Qwen2Config(
            hidden_size=32, intermediate_size=64, num_attention_heads=4, num_key_value_heads=2,
            num_hidden_layers=2, vocab_size=len(tokenizer), max_position_embeddings=512,
        )
    ).save_pretrained(language)  # fmt: skip
    sentence = [
        "train", *words, "evaluation=none", "encoder=huggingface", f"encoder.checkpoint={vision}",
        "llm=huggingface", f"llm.checkpoint={language}", "template@llm.template=v1",
    ]  # fmt: skip
    assert main(sentence) == 0
    assert len(list(tmp_path.glob("runs/*/manifest.json"))) == 2


def test_a_folder_as_vicuna_is_published_is_read(compose: Compose, tmp_path: Path) -> None:
    """Pickled weights, and a sentencepiece model alone for the words."""
    config = LlamaConfig(
        vocab_size=320, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4
    )
    network = LlamaForCausalLM(config)
    torch.save(network.state_dict(), tmp_path / "pytorch_model.bin")
    config.save_pretrained(tmp_path)
    with (tmp_path / "tokenizer.model").open("wb") as file:
        SentencePieceTrainer.train(
            sentence_iterator=iter(["a red circle and a blue square"] * 9), model_writer=file, vocab_size=320,
            model_type="bpe", byte_fallback=True, hard_vocab_limit=False, minloglevel=2,
        )  # fmt: skip
    words = SentencePieceProcessor(model_file=str(tmp_path / "tokenizer.model"))
    tokenizer_config = {"tokenizer_class": "LlamaTokenizer", "legacy": False, "add_bos_token": True}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(tokenizer_config))

    model = build_model(compose("llm=vicuna7b", f"llm.weights={tmp_path}", "llm.config=null"))
    model.configure_model()
    read = model.llm.state_dict()
    assert all(torch.equal(weight, read[f"network.{name}"]) for name, weight in network.state_dict().items())
    text = "a red square"
    assert model.llm.tokenizer(text)["input_ids"] == [words.bos_id(), *words.encode(text)]
    assert model.llm.tokenizer.pad_token == "<unk>"
