"""The three parts joined: splicing, the loss, and who sees whom."""

from dataclasses import replace

import pytest
import torch
from torch.nn.functional import cross_entropy

from tests.conftest import Compose
from tests.losses import mean_loss
from vlm.build import build_model
from vlm.build_data import build_dataset
from vlm.data.batch import Learned, PackedBatch, pack
from vlm.data.steps import BLANK, StepDataset
from vlm.data.tokens import IMAGE_ID
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


def test_the_loss_is_the_mean_over_supervised_tokens(
    model_and_batch: tuple[VisionLanguageModel, PackedBatch],
) -> None:
    """By the weights of their sources: 3 and 1 are the mean over the first kind three times."""
    model, batch = model_and_batch
    for part, weight in zip(batch.learned, (3.0, 1.0, 1.0, 1.0), strict=False):
        part.weight = weight
    logits = model.hidden_states(batch) @ model.llm.head.T
    losses = [cross_entropy(logits[part.places], part.targets, reduction="none") for part in batch.learned]
    several = torch.cat([losses[0]] * 3 + losses[1:])
    assert torch.allclose(mean_loss(model, batch), several.mean(), rtol=1e-5)


@pytest.mark.parametrize("logit_cap", [None, 5.0])
@pytest.mark.parametrize("num_tokens", [7, 600])
def test_chunks_are_the_whole(num_tokens: int, logit_cap: float | None) -> None:
    """More positions than are looked at together; loss and both gradients."""
    hidden = torch.randn(num_tokens, 4, requires_grad=True)
    head = torch.randn(9, 4, requires_grad=True)
    places, targets = torch.arange(num_tokens).flip(0), torch.randint(9, (num_tokens,))
    [loss] = language_loss(hidden, head, [Learned("a", 1.0, places, targets)], logit_cap)
    found = torch.autograd.grad(loss, [hidden, head])
    logits = hidden[places] @ head.T
    if logit_cap:
        logits = logit_cap * (logits / logit_cap).tanh()
    expected = cross_entropy(logits, targets, reduction="sum")
    assert torch.allclose(loss, expected, rtol=1e-5)
    for ours, theirs in zip(found, torch.autograd.grad(expected, [hidden, head]), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-4)


def test_in_few_bits_the_sum_is_not_rounded() -> None:
    hidden, head = torch.randn(3000, 16, dtype=torch.bfloat16), torch.randn(50, 16, dtype=torch.bfloat16)
    targets = torch.randint(50, (3000,))
    [loss] = language_loss(hidden, head, [Learned("a", 1.0, torch.arange(3000), targets)])
    expected = cross_entropy(hidden.float() @ head.float().T, targets, reduction="sum")
    assert loss.dtype is torch.float32
    assert loss.item() == pytest.approx(expected.item(), rel=1e-3)


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
    loss = mean_loss(model, row)
    loss.backward()
    learned = {name: weight for name, weight in model.named_parameters() if weight.grad is not None}
    packed = {name: weight.grad.clone() for name, weight in learned.items()}
    model.zero_grad()
    dataset.batching = replace(dataset.batching, mode="padded", row_size=1)
    total = 0.0
    for alone in dataset[0].rows:
        part = mean_loss(model, alone) * (alone.supervised_weight / row.supervised_weight)
        part.backward()
        total += part.item()
    assert total == pytest.approx(loss.item(), rel=1e-5)
    for name, weight in learned.items():
        assert (weight.grad - packed[name]).norm() <= 1e-5 * packed[name].norm() + 1e-9, name


@pytest.mark.parametrize("llm", FAMILIES)
def test_words_of_one_document_leave_the_others_bit_equal(llm: str, compose: Compose) -> None:
    model, dataset = twin(compose, llm)
    [row] = dataset[0].rows
    before = model.eval().hidden_states(row)
    first, last = int(row.edges.boundaries[1]), int(row.edges.boundaries[2])
    words = [place for place in range(first, last) if row.ids[place] != IMAGE_ID]
    row.ids[words] = row.ids[words].roll(1)
    after = model.hidden_states(row)
    changed = (before != after).any(dim=-1)
    assert changed[first:last].any()
    assert not changed[:first].any()
    assert not changed[last:].any()


def test_a_picture_changes_its_own_document_only(
    model_and_batch: tuple[VisionLanguageModel, PackedBatch],
) -> None:
    model, batch = model_and_batch
    before = model.hidden_states(batch)
    batch.tiles[0] = 255
    after = model.hidden_states(batch)
    edge = int(batch.edges.boundaries[1])
    assert not torch.equal(before[:edge], after[:edge])
    assert torch.equal(before[edge:], after[edge:])


def test_text_alone_needs_no_picture(model_and_batch: tuple[VisionLanguageModel, PackedBatch]) -> None:
    """And counts for nothing, if it shall: every weight that learns has a gradient, of zeros."""
    model, _ = model_and_batch
    text = pack([BLANK], model.projector.num_tokens, model.encoder.image_size)
    sums = model(text)
    assert sums.isfinite().all()
    (sums * text.learned[0].weight).sum().backward()
    assert all(not weight.grad.any() for weight in model.projector.parameters())
    assert all(not weight.grad.any() for weight in model.llm.parameters())
