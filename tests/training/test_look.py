"""Is the picture used? The figures are those of hand, on all devices, and training does not notice."""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import lightning
import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from tests.conftest import Compose
from tests.data.test_looked_at import shards
from tests.training.looking import train
from tests.training.pair import Pair
from tests.training.test_validation import history
from vlm.build import build_model, build_task
from vlm.build_data import build_dataset
from vlm.cli import main
from vlm.data.document import Document
from vlm.data.looked_at import VARIANTS, LookedAt, choose
from vlm.data.tokens import IGNORE_ID, IMAGE_ID
from vlm.model.vision_language import VisionLanguageModel
from vlm.training import look
from vlm.training.look import Look, Seen

TWIN = ["twin=true", "stage.after=null"]
LORA = ["adapter=lora64", "stage.learns.llm=adapter"]
FAMILIES = ["vicuna7b", "mistral7b", "qwen25_05b", "gemma2_2b"]


@pytest.fixture
def chat(tmp_path: Path) -> str:
    """A source of text, in a word."""
    said = (("How many?", f"{number} of them.", []) for number in range(5))
    return f"+mixture.chat.shards={shards(tmp_path / 'chat', *said)}"


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    both = Pair()
    yield both
    both.close()


@torch.no_grad()
def by_hand(model: VisionLanguageModel, looked_at: LookedAt, document: Document) -> tuple[float, np.ndarray]:
    """A document's summed loss, and its attention: [layer, (mass, uniform)]; alone, by transformers."""
    row = looked_at.lay([document])
    sequence = model.embed(row.ids, row.tiles, row.visual_index)
    llm = model.llm
    llm.network.set_attn_implementation("eager")
    read = llm.network.base_model(inputs_embeds=sequence.unsqueeze(0), output_attentions=True)
    logits = read.last_hidden_state[0] @ llm.head.T
    if llm.logit_cap:
        logits = llm.logit_cap * (logits / llm.logit_cap).tanh()
    loss = cross_entropy(logits[:-1], row.labels[1:], ignore_index=IGNORE_ID, reduction="sum")
    places, visual = torch.nonzero(row.labels[1:] != IGNORE_ID).flatten(), row.ids == IMAGE_ID
    before = torch.tensor([float(visual[: place + 1].float().mean()) for place in places]).mean()
    layers = [[layer[0][:, places][..., visual].sum(-1).mean(), before] for layer in read.attentions]
    return float(loss), np.array(layers)


@pytest.mark.parametrize("llm", FAMILIES)
def test_it_is_what_hand_and_transformers_find(
    llm: str, compose: Compose, chat: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In packed rows, several samples a row and several rows a chunk; an untrained twin."""
    monkeypatch.setattr(look, "CHUNK", 5)
    config = compose(*TWIN, f"llm={llm}", chat)
    lightning.seed_everything(1, verbose=False)
    model = build_model(config)
    dataset = build_dataset(config, model)
    task = build_task(config, model, 1, [])
    task.configure_model()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.mul_(8 if "q_proj" in name or "k_proj" in name else 3)  # or all would be alike
    readers = dict(zip(dataset.names, dataset.readers, strict=True))
    looked_at = LookedAt(readers, choose(readers, 10, 1), 1)
    task.eval()
    seen = Look(looked_at, 1, 400, lambda *_: None).look(task)

    sums, counts, attention = np.zeros((len(looked_at), 4)), np.zeros(len(looked_at)), []
    for place in range(len(looked_at)):
        documents = looked_at[place].documents
        counts[place] = (documents["right"].labels[1:] != IGNORE_ID).sum()
        for column, variant in enumerate(VARIANTS):
            chosen = documents.get(variant, documents["right"])
            sums[place, column], layers = by_hand(model, looked_at, chosen)
            if variant == "right" and chosen.pictures:
                attention.append(layers)
    np.testing.assert_allclose(seen.sums, sums, rtol=1e-4)
    figures = seen.figures([name for name, _ in looked_at.places])
    for column, variant in enumerate(VARIANTS):
        loss = sums[:, column].sum() / counts.sum()
        assert figures[f"look/loss/{variant}"] == pytest.approx(loss, rel=1e-4)
        if column:
            gain = (sums[:, column] - sums[:, 0]).sum() / counts.sum()
            assert figures[f"look/gain/{variant}"] == pytest.approx(gain, abs=1e-4)
            assert abs(gain) > 0.002, "or nothing is shown"
            assert figures[f"look/chat/gain/{variant}"] == 0
    assert 0 < len(attention) < len(looked_at)
    mean = np.mean(attention, axis=0)
    for layer, (mass, _) in enumerate(mean):
        assert figures[f"look/attention/layer_{layer}"] == pytest.approx(mass, abs=1e-5)
    assert figures["look/attention/mean"] == pytest.approx(mean[:, 0].mean(), abs=1e-5)
    assert figures["look/attention/uniform"] == pytest.approx(mean[:, 1].mean(), abs=1e-6)
    assert abs(mean[:, 0] - mean[:, 1]).max() > 0.005


def test_formulae() -> None:
    """A sample of each kind: pictured, another that nobody exchanges with, text, and a faulty one."""
    sums = np.array([[2.0, 6.0, 8.0, 4.0], [1.0, 1.0, 0.0, 3.0], [5.0, 5.0, 5.0, 5.0], [0.0] * 4])
    counts = np.array([[2.0] * 4, [1.0, 1.0, 0.0, 1.0], [10.0] * 4, [0.0] * 4])
    pictured = np.array([True, True, False, False])
    attention = np.array([[0.6, 1.0], [0.2, 1.0], [1.0, 1.0]])
    found = Seen(sums, counts, pictured, attention).figures(["a", "b", "c", "b"])
    assert found == pytest.approx(
        {
            "look/loss/right": 8 / 13,
            "look/loss/blank": 12 / 13,
            "look/loss/shuffled": 13 / 12,
            "look/loss/none": 12 / 13,
            "look/gain/blank": 4 / 13,
            "look/gain/shuffled": 6 / 12,
            "look/gain/none": 4 / 13,
            "look/a/gain/blank": 2.0,
            "look/a/gain/shuffled": 3.0,
            "look/a/gain/none": 1.0,
            "look/b/gain/blank": 0.0,
            "look/b/gain/none": 2.0,
            "look/c/gain/blank": 0.0,
            "look/c/gain/shuffled": 0.0,
            "look/c/gain/none": 0.0,
            "look/attention/layer_0": 0.3,
            "look/attention/layer_1": 0.1,
            "look/attention/layer_2": 0.5,
            "look/attention/mean": 0.3,
            "look/attention/uniform": 0.5,
        }
    )
    nothing = Seen(sums[3:], counts[3:], pictured[3:], attention * 0).figures(["b"])
    assert nothing == {}


@pytest.mark.parametrize(
    "more",
    [["strategy=fsdp2"], ["strategy=ddp"], ["strategy=fsdp2", *LORA, "adapter.dropout=0.0"]],
    ids=["fsdp2", "ddp", "lora"],
)
def test_two_devices_see_what_one_does(more: list[str], pair: Pair, words: list[str], chat: str) -> None:
    """Seven samples in chunks of two: the second device has fewer, and a last chunk of none."""
    run = [*words, *TWIN, chat, "trainer.tokens_per_row=300"]
    alone = train([*run, *more[1:]], 2, 7, 2)
    both = pair.run(train, [*run, *more], 2, 7, 2)
    assert [len(found["figures"]) for found in both] == [2, 2]
    for found in both:
        for mine, theirs in zip(alone["figures"], found["figures"], strict=True):
            assert mine == pytest.approx(theirs, abs=1e-4)
            assert {"look/gain/none", "look/attention/mean", "look/chat/gain/none"} <= set(mine)
    assert alone["shown"] == both[0]["shown"] == [(2, 6), (4, 6)]
    assert both[1]["shown"] == []


@pytest.mark.parametrize(
    "more", [["trainer.activation_checkpointing=selective"], ["trainer.compile=true"]], ids=" ".join
)
def test_however_blocks_are_computed(
    more: list[str], words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Compiled blocks read what is not learned from as they are, and are compiled once."""
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))  # traced and guarded, only
    run = [*words, *TWIN, "trainer.tokens_per_row=512"]
    plain = train(run, 2, 6, 16)
    with torch._dynamo.config.patch(error_on_recompile=True):
        found = train([*run, *more], 2, 6, 16)
    assert bool(torch._dynamo.utils.counters["stats"]["unique_graphs"]) == ("trainer.compile=true" in more)
    assert len(found["figures"]) == 2
    for mine, theirs in zip(plain["figures"], found["figures"], strict=True):
        assert mine == pytest.approx(theirs, abs=1e-4)


def test_in_half_precision(words: list[str]) -> None:
    run = [*words, "stage.after=null"]
    whole, half = (train([*run, f"trainer.precision={name}"], 4, 6, 16) for name in ("32-true", "bf16-mixed"))
    for name, value in half["figures"][0].items():
        assert value == pytest.approx(whole["figures"][0][name], abs=0.2 if "attention" not in name else 0.02)
    assert half["figures"] != whole["figures"]


def test_training_does_not_notice(words: list[str], tmp_path: Path) -> None:
    """With dropout: the steps between draw what they would have drawn."""
    run = ["train", *words, *TWIN, *LORA, "evaluation=none"]
    assert main([*run, f"paths.runs={tmp_path}/without"]) == 0
    assert main([*run, f"paths.runs={tmp_path}/with", "trainer.look_every=1", "trainer.look_samples=5"]) == 0
    first, second = (
        {file.name: file.read_bytes() for file in tmp_path.glob(f"{name}/*/weights/**/*.safetensors")}
        for name in ("without", "with")
    )
    assert set(first) == {"projector.safetensors", "adapter_model.safetensors"}
    assert first == second


def test_figures_and_pictures_are_recorded(words: list[str], tmp_path: Path, chat: str) -> None:
    run = [word for word in words if not word.startswith("tracking=")]
    run += ["evaluation=none", *TWIN, chat, "trainer.look_every=3", "trainer.look_samples=9"]
    assert main(["train", *run]) == 0
    for name in ("loss/right", "gain/blank", "ocr/gain/shuffled", "attention/layer_1", "attention/uniform"):
        assert set(history(tmp_path, f"look/{name}")) == {3, 4}, "and the last step"
    losses = {name: history(tmp_path, f"look/loss/{name}")[4] for name in VARIANTS}
    for name in VARIANTS[1:]:
        gain = history(tmp_path, f"look/gain/{name}")[4]
        assert gain == pytest.approx(losses[name] - losses["right"], abs=1e-6)
    [table] = tmp_path.glob("runs/artifacts/*/*/artifacts/look/step-4.json")
    content = json.loads(table.read_text())
    rows = [dict(zip(content["columns"], row, strict=True)) for row in content["data"]]
    assert len(rows) == 8, "of nine, one is text"
    assert all(row["image"]["type"] == "image" and row["question"] and row["expected"] for row in rows)
    assert all(isinstance(row[f"gain/{name}"], float) for row in rows for name in VARIANTS[1:])


def test_a_model_that_has_learned_to_look_gains_by_looking(
    words: list[str], chat: str, data_folder: Path
) -> None:
    """On pictures of the shapes world that it has not seen; and nothing on text, which has none."""
    kept = [word for word in words if not word.startswith(("stage.batch_size", "trainer.max_steps"))]
    pictured = f"+mixture.scenes.shards='{data_folder}/shapes/train/caption-*.tar'"
    text = f"mixture.conversation.shards={chat.partition('=')[2]}"
    sources = [
        "stage=align_shapes", "mixture=shapes_questions", pictured, "+mixture.scenes.held_out=30", text,
        "mixture.conversation.held_out=2", "+template@mixture.conversation.template=bare",
    ]  # fmt: skip
    others = [f"~mixture.{name}" for name in ("attribute", "count", "relation", "exist", "ocr")]
    run = [*kept, *sources, *others, "stage.batch_size=16"]
    before, after = train([*run, "stage.steps=30"], 15, 32, 16)["figures"]
    for variant, least in (("blank", 0.2), ("shuffled", 0.1), ("none", 0.5)):
        assert after[f"look/scenes/gain/{variant}"] > least
        assert after[f"look/conversation/gain/{variant}"] == 0
    assert after["look/loss/right"] < before["look/loss/right"]
