"""The three parts joined: splicing, the loss, and who sees whom."""

import pytest
import torch
from torch.nn.functional import cross_entropy

from tests.conftest import Compose
from vlm.build import build_dataset, build_model
from vlm.data.batch import PackedBatch
from vlm.data.tokens import IGNORE_ID, IMAGE_ID
from vlm.model.loss import language_loss, next_token_targets
from vlm.model.splice import splice
from vlm.model.vision_language import VisionLanguageModel


@pytest.fixture(params=["pad", "anyres"])
def model_and_batch(
    compose: Compose, request: pytest.FixtureRequest
) -> tuple[VisionLanguageModel, PackedBatch]:
    config = compose(f"image@stage.image={request.param}")
    model = build_model(config)
    model.configure_model()
    return model.eval(), build_dataset(config, model)[0]


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
    targets = next_token_targets(labels, torch.tensor([0, 3, 5], dtype=torch.int32))
    assert targets.tolist() == [3, 4, IGNORE_ID, 6, IGNORE_ID]
    assert labels.tolist() == [IGNORE_ID, 3, 4, 5, 6]


def test_the_loss_is_the_mean_over_supervised_tokens() -> None:
    hidden, head = torch.randn(5, 4), torch.randn(9, 4)
    labels = torch.tensor([IGNORE_ID, 3, 4, IGNORE_ID, 6])
    loss, count = language_loss(hidden, head, labels, torch.tensor([0, 5], dtype=torch.int32))
    logits = hidden @ head.T
    expected = cross_entropy(logits[[0, 1, 3]], torch.tensor([3, 4, 6]))
    assert torch.allclose(loss, expected)
    assert count == 3


def test_packed_loss_and_gradients_equal_unpacked(compose: Compose) -> None:
    """Fp32: the sum over documents, weighted by their supervised tokens, in another order."""
    config = compose()
    model = build_model(config)
    model.configure_model()
    dataset = build_dataset(config, model)
    loss, count = model.loss(dataset[0])
    loss.backward()
    learned = {name: weight for name, weight in model.named_parameters() if weight.grad is not None}
    packed = {name: weight.grad.clone() for name, weight in learned.items()}
    model.zero_grad()
    dataset.batch_size = 1
    total = 0.0
    for number in range(4):
        part, supervised = model.loss(dataset[number])
        (part * supervised / count).backward()
        total += part.item() * supervised / count
    assert total == pytest.approx(loss.item(), rel=1e-5)
    for name, weight in learned.items():
        scale = packed[name].abs().max()
        assert torch.allclose(weight.grad, packed[name], atol=float(1e-4 * scale) + 1e-9), name


def test_a_picture_changes_its_own_document_only(
    model_and_batch: tuple[VisionLanguageModel, PackedBatch],
) -> None:
    model, batch = model_and_batch
    before = model(batch)
    batch.pixels[0] = 1.0
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
        batch.pixels[:0],
        batch.visual_index[:0],
        ["text"],
    )
    loss, _ = model.loss(text)
    assert loss.isfinite()
