"""The three parts joined: splicing, the loss, and who sees whom."""

from dataclasses import replace

import pytest
import torch
from torch.nn.functional import cross_entropy

from tests.conftest import Compose
from vlm.build import build_dataset, build_model
from vlm.data.batch import PackedBatch
from vlm.data.steps import StepDataset
from vlm.data.tokens import IGNORE_ID, IMAGE_ID
from vlm.model.loss import language_loss
from vlm.model.splice import splice
from vlm.model.vision_language import VisionLanguageModel


@pytest.fixture(params=["pad", "anyres"])
def model_and_batch(
    compose: Compose, request: pytest.FixtureRequest
) -> tuple[VisionLanguageModel, PackedBatch]:
    config = compose(f"image@stage.image={request.param}")
    model = build_model(config)
    model.configure_model()
    return model.eval(), build_dataset(config, model)[0].rows[0]


def test_splice_puts_visual_tokens_in_order_and_keeps_words() -> None:
    ids = torch.tensor([5, IMAGE_ID, IMAGE_ID, 6, IMAGE_ID, IMAGE_ID])
    words = torch.arange(12.0).reshape(6, 2)
    visual = 100 + torch.arange(4.0).repeat(2, 1).T
    spliced = splice(words, visual, ids)
    assert spliced[:, 0].tolist() == [0.0, 100.0, 101.0, 6.0, 102.0, 103.0]


def test_splice_counts() -> None:
    with pytest.raises(ValueError, match=r"keeps 1 places .* made 2"):
        splice(torch.zeros(2, 3), torch.zeros(2, 3), torch.tensor([IMAGE_ID, 4]))


def test_targets_never_cross_a_documents_end() -> None:
    labels = torch.tensor([IGNORE_ID, 3, 4, 5, 6])
    ids = torch.zeros(5, dtype=torch.long)
    edges, no_tiles = torch.tensor([0, 3, 5], dtype=torch.int32), torch.empty(0, 4, 4, 3, dtype=torch.uint8)
    batch = PackedBatch(ids, labels, ids, edges, no_tiles, ids[:0], ["a", "b"], torch.tensor([1.0, 3.0]))
    targets = batch.targets
    assert batch.num_supervised == 3
    assert batch.supervised_weight == 1 + 1 + 3
    assert targets.tolist() == [3, 4, IGNORE_ID, 6, IGNORE_ID]
    assert labels.tolist() == [IGNORE_ID, 3, 4, 5, 6]


def test_the_loss_is_the_mean_over_supervised_tokens() -> None:
    hidden, head = torch.randn(5, 4), torch.randn(9, 4)
    targets = torch.tensor([3, 4, IGNORE_ID, 6, IGNORE_ID])
    expected = cross_entropy((hidden @ head.T)[[0, 1, 3]], targets[[0, 1, 3]])
    for weight in (1.0, 0.25):  # the same for all: it makes no difference
        assert torch.allclose(language_loss(hidden, head, targets, torch.full((5,), weight)), expected)


@pytest.mark.parametrize("logit_cap", [None, 5.0])
def test_a_token_counts_for_its_weight(logit_cap: float | None) -> None:
    """Weights of 3 and 1 are the mean over the first kind three times and the other once."""
    hidden, head = torch.randn(5, 4, requires_grad=True), torch.randn(9, 4)
    targets = torch.tensor([3, 4, IGNORE_ID, 6, 7])
    loss = language_loss(hidden, head, targets, torch.tensor([3.0, 3.0, 1.0, 1.0, 1.0]), logit_cap)
    [gradient] = torch.autograd.grad(loss, hidden)
    times = [0, 0, 0, 1, 1, 1, 3, 4]
    logits = hidden @ head.T
    if logit_cap:
        logits = logit_cap * (logits / logit_cap).tanh()
    expected = cross_entropy(logits[times], targets[times])
    assert torch.allclose(loss, expected)
    assert torch.allclose(gradient, torch.autograd.grad(expected, hidden)[0], atol=1e-6)


FAMILIES = ["vicuna7b", "mistral7b", "qwen25_05b"]


def twin(compose: Compose, llm: str) -> tuple[VisionLanguageModel, StepDataset]:
    torch.manual_seed(1)
    config = compose("twin=true", f"llm={llm}")
    model = build_model(config)
    model.configure_model()
    with torch.no_grad():
        for weight in model.llm.parameters():
            weight.mul_(3)  # random weights this small would tell documents hardly apart
    return model, build_dataset(config, model)


@pytest.mark.parametrize("llm", FAMILIES)
def test_packed_loss_and_every_gradient_equal_unpacked(llm: str, compose: Compose) -> None:
    """Fp32: the sum over documents, weighted by their supervised tokens, in another order."""
    model, dataset = twin(compose, llm)
    dataset.readers[0].loss_weight = 0.25  # of one of the sources
    [row] = dataset[0].rows
    loss = model.loss(row)
    loss.backward()
    learned = {name: weight for name, weight in model.named_parameters() if weight.grad is not None}
    packed = {name: weight.grad.clone() for name, weight in learned.items()}
    model.zero_grad()
    dataset.batching = replace(dataset.batching, mode="padded", row_size=1)
    total = 0.0
    for alone in dataset[0].rows:
        part = model.loss(alone) * (alone.supervised_weight / row.supervised_weight)
        part.backward()
        total += part.item()
    assert total == pytest.approx(loss.item(), rel=1e-5)
    for name, weight in learned.items():
        assert (weight.grad - packed[name]).norm() <= 1e-5 * packed[name].norm() + 1e-9, name


@pytest.mark.parametrize("llm", FAMILIES)
def test_words_of_one_document_leave_the_others_bit_equal(llm: str, compose: Compose) -> None:
    model, dataset = twin(compose, llm)
    [row] = dataset[0].rows
    before = model.eval()(row)
    first, last = int(row.boundaries[1]), int(row.boundaries[2])
    words = [place for place in range(first, last) if row.ids[place] != IMAGE_ID]
    row.ids[words] = row.ids[words].roll(1)
    after = model(row)
    changed = (before != after).any(dim=-1)
    assert changed[first:last].any()
    assert not changed[:first].any()
    assert not changed[last:].any()


def test_a_picture_changes_its_own_document_only(
    model_and_batch: tuple[VisionLanguageModel, PackedBatch],
) -> None:
    model, batch = model_and_batch
    before = model(batch)
    batch.tiles[0] = 255
    after = model(batch)
    edge = int(batch.boundaries[1])
    assert not torch.equal(before[:edge], after[:edge])
    assert torch.equal(before[edge:], after[edge:])


def test_text_alone_needs_no_picture(model_and_batch: tuple[VisionLanguageModel, PackedBatch]) -> None:
    model, batch = model_and_batch
    words = batch.ids != IMAGE_ID
    edges = torch.tensor([0, int(words.sum())], dtype=torch.int32)
    text = PackedBatch(
        batch.ids[words],
        batch.labels[words],
        torch.arange(int(words.sum())),
        edges,
        batch.tiles[:0],
        batch.visual_index[:0],
        ["text"],
        torch.ones(1),
    )
    assert model.loss(text).isfinite()
