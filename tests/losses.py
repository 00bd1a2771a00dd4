"""Losses as tests compare them."""

from torch import Tensor

from vlm.data.batch import PackedBatch
from vlm.model.vision_language import VisionLanguageModel


def mean_loss(model: VisionLanguageModel, batch: PackedBatch) -> Tensor:
    """The mean over a batch's supervised tokens, by their weights (nats per token)."""
    sums = model(batch)
    return (sums * sums.new_tensor([part.weight for part in batch.learned])).sum() / batch.supervised_weight
