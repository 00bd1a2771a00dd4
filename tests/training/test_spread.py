"""A sharded run is the run: its losses, its weights, and its states on any number of devices."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

from tests.training.pair import Pair
from tests.training.spread import train, train_without_a_whole_llm
from vlm.paths import assets_dir

LORA = ["adapter=lora64", "adapter.dropout=0.0", "stage.learns.llm=adapter"]
ALIGN = ["stage.learns.llm=frozen"]


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    both = Pair()
    yield both
    both.close()


@pytest.fixture
def sentence(words: list[str]) -> list[str]:
    small = ["stage.after=null", "twin=true", "trainer.tokens_per_row=150", "trainer.checkpoint_every=10"]
    return [*(word for word in words if "max_steps" not in word), *small, "trainer.max_steps=20"]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    files = sorted(folder.rglob("weights/**/*.safetensors"))
    return {f"{file.name} {name}": tensor for file in files for name, tensor in load_file(file).items()}


def assert_close(first: Path, second: Path) -> None:
    ours, theirs = weights(first), weights(second)
    assert ours
    assert set(ours) == set(theirs)
    for name, tensor in ours.items():
        assert torch.allclose(tensor, theirs[name], rtol=1e-4, atol=1e-6), name


@pytest.mark.parametrize("strategy", ["fsdp2", "ddp"])
@pytest.mark.parametrize("more", [[], LORA, ALIGN], ids=["full", "lora", "align"])
def test_losses_are_those_of_one_device(
    more: list[str], strategy: str, pair: Pair, sentence: list[str], tmp_path: Path
) -> None:
    alone = train([*sentence, *more], tmp_path / "alone")
    both = pair.run(train, [*sentence, *more, f"strategy={strategy}"], tmp_path / "both")
    for found in both:
        assert found["losses"] == pytest.approx(alone["losses"], rel=1e-5)
        for kind, held in found["held"].items():
            share = held / alone["held"][kind]
            assert share <= 0.55 if strategy == "fsdp2" else share == 1, kind
    assert_close(tmp_path / "alone", tmp_path / "both")


@pytest.fixture(params=["safetensors", "bin"])
def checkpoint(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A small Llama as it is published, in several files."""
    folder = tmp_path / "llama"
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4}
    torch.manual_seed(3)
    llama = LlamaForCausalLM(LlamaConfig(vocab_size=600, **sizes, tie_word_embeddings=False))
    llama.save_pretrained(folder, max_shard_size="100KB")
    AutoTokenizer.from_pretrained(assets_dir() / "tiny_llama").save_pretrained(folder)
    if request.param == "bin":
        index = folder / "model.safetensors.index.json"
        (folder / "pytorch_model.bin.index.json").write_text(
            index.read_text().replace(".safetensors", ".bin")
        )
        index.unlink()
        for file in folder.glob("*.safetensors"):
            torch.save(load_file(file), file.with_suffix(".bin"))
            file.unlink()
    return folder


@pytest.mark.parametrize("more", [[], LORA], ids=["full", "lora"])
def test_an_llm_is_read_share_by_share(
    more: list[str], pair: Pair, words: list[str], checkpoint: Path, tmp_path: Path
) -> None:
    llm = ["llm=huggingface", f"llm.checkpoint={checkpoint}", "template@llm.template=v1"]
    run = [*words, "stage.after=null", "trainer.tokens_per_row=150", *llm, *more]
    alone = train(run, tmp_path / "alone")
    both = pair.run(train_without_a_whole_llm, run, tmp_path / "both")
    assert both[0]["held"]["weights"] <= 0.55 * alone["held"]["weights"]
    if more:  # adapters begin with other values
        assert both[0]["losses"][0] == pytest.approx(alone["losses"][0], rel=1e-5)
        assert both[0]["losses"] == pytest.approx(alone["losses"], rel=1e-2)
    else:
        assert both[0]["losses"] == pytest.approx(alone["losses"], rel=1e-5)
        assert_close(tmp_path / "alone", tmp_path / "both")
        next_alone = train(run, tmp_path / "next", starting=[tmp_path / "alone/weights"])
        starting = [tmp_path / "both/weights"]
        next_both = pair.run(train_without_a_whole_llm, run, tmp_path / "next_both", starting)
        assert next_both[0]["losses"] == pytest.approx(next_alone["losses"], rel=1e-5)
        assert next_alone["losses"][0] < alone["losses"][0]


@pytest.mark.parametrize("first", ["two", "one"])
def test_a_state_goes_on_on_another_number_of_devices(
    first: str, pair: Pair, sentence: list[str], tmp_path: Path
) -> None:
    alone = train(sentence, tmp_path / "alone")
    folder = tmp_path / "mixed"
    if first == "two":
        pair.run(train, sentence, folder, None, 10)
        rest = train(sentence, folder, 10)["losses"]
    else:
        train(sentence, folder, None, 10)
        rest = pair.run(train, sentence, folder, 10)[0]["losses"]
    assert rest == pytest.approx(alone["losses"][10:], rel=1e-5)
    assert_close(tmp_path / "alone", folder)
