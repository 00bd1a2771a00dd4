"""The LightningDataModule that chains order, shards, image, template, tokens and packing."""

from collections.abc import Iterator, Mapping
from functools import lru_cache

import lightning
import numpy as np
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset, Sampler
from transformers import PreTrainedTokenizerBase

from vlm.data.batch import PackedBatch, pack
from vlm.data.image import ImageTransform, Picture
from vlm.data.order import SourceSize, epoch_order
from vlm.data.sample import IMAGE_PLACEHOLDER, Sample
from vlm.data.shards import ShardSource
from vlm.data.template import Template
from vlm.data.tokens import Tokens


class StepDataset(Dataset[PackedBatch]):
    """Global step number -> its packed batch; a pure function, so any step can come first.

    Args:
        sources: By name.
        weights: Passes over each source in one epoch, by name.
        template: Of the stage.
        tokenizer: Of the LLM.
        image_transform: Of the encoder, the projector and the stage.
        context_length: The LLM's, in tokens.
        batch_size: Samples per step.
        seed: Of the order.
    """

    def __init__(
        self,
        sources: Mapping[str, ShardSource],
        weights: Mapping[str, float],
        template: Template,
        tokenizer: PreTrainedTokenizerBase,
        image_transform: ImageTransform,
        context_length: int,
        batch_size: int,
        seed: int,
    ) -> None:
        self.sources = list(sources.values())
        self.sizes = [SourceSize(source.shard_sizes, weights[name]) for name, source in sources.items()]
        self.num_samples = sum(size.num_drawn for size in self.sizes)
        if not self.num_samples:
            raise ValueError("mixture holds no sample; raise a source's weight or give it shards")
        self.template, self.tokenizer, self.image_transform = template, tokenizer, image_transform
        self.context_length, self.batch_size, self.seed = context_length, batch_size, seed
        self._epoch = lru_cache(maxsize=2)(self._order)

    def num_steps(self, epochs: float) -> int:
        """Return the steps of so many epochs; the last may be smaller."""
        return int(np.ceil(self.num_samples * epochs / self.batch_size))

    def __getitem__(self, step: int) -> PackedBatch:
        first = step * self.batch_size
        samples = [self._sample(number) for number in range(first, first + self.batch_size)]
        return pack(
            [self._tokens(sample) for sample in samples],
            [picture for sample in samples for picture in self._pictures(sample)],
            [f"{sample.source}/{sample.key}" for sample in samples],
            self.image_transform.tokens_per_tile,
            self.image_transform.size,
            self.context_length,
        )

    def _order(self, epoch: int) -> NDArray[np.int64]:
        return epoch_order(self.sizes, self.seed, epoch)

    def _sample(self, number: int) -> Sample:
        """Return the sample at a place of the endless sequence of epochs."""
        epoch, within = divmod(number, self.num_samples)
        source, index = self._epoch(epoch)[within]
        return self.sources[source][int(index)]

    def _pictures(self, sample: Sample) -> list[Picture]:
        try:
            return [self.image_transform(image) for image in sample.images]
        except OSError as error:
            raise ValueError(
                f"{sample.source}/{sample.key}: its picture cannot be decoded ({error}); "
                "pack the source again with 'vlm data pack', which checks every picture"
            ) from error

    def _tokens(self, sample: Sample) -> Tokens:
        placeholders = sum(turn.text.count(IMAGE_PLACEHOLDER) for turn in sample.turns)
        if placeholders != len(sample.images):
            raise ValueError(
                f"{sample.source}/{sample.key}: {placeholders} {IMAGE_PLACEHOLDER} for "
                f"{len(sample.images)} pictures; mend the record and pack it again"
            )
        return self.template.tokens(sample.turns, self.tokenizer)


class RemainingSteps(Sampler[int]):
    """The steps from the trainer's on; its length is that of the whole stage.

    Lightning counts a resumed epoch's batches from the saved number to the loader's length, so a loader
    that told only what remains would be begun again before the end.

    Args:
        trainer: Knows the step when the loader is begun.
        num_steps: Of the whole stage.
    """

    def __init__(self, trainer: lightning.Trainer, num_steps: int) -> None:
        self.trainer, self.num_steps = trainer, num_steps

    def __len__(self) -> int:
        return self.num_steps

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.trainer.global_step, self.num_steps))


class DataModule(lightning.LightningDataModule):
    """Serve the steps that are still to do.

    Args:
        dataset: Of the stage.
        num_steps: Of the whole stage.
        num_workers: Processes that prepare batches; 0 for none.
    """

    def __init__(self, dataset: StepDataset, num_steps: int, num_workers: int) -> None:
        super().__init__()
        self.dataset, self.num_steps, self.num_workers = dataset, num_steps, num_workers

    def train_dataloader(self) -> DataLoader[PackedBatch]:
        """Begin at the trainer's step: a resumed run seeks, it never replays."""
        assert self.trainer is not None
        return DataLoader(
            self.dataset,
            batch_size=None,
            sampler=RemainingSteps(self.trainer, self.num_steps),
            num_workers=self.num_workers,
            pin_memory=self.trainer.accelerator.__class__.__name__ == "CUDAAccelerator",
        )
