"""The LightningDataModule that serves the steps that are still to do."""

from collections.abc import Iterator

import lightning
from torch.utils.data import DataLoader, Sampler

from vlm.data.gate import SourceReport, look
from vlm.data.steps import Step, StepDataset


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
        num_workers: Processes that prepare steps; 0 for none.
    """

    def __init__(self, dataset: StepDataset, num_workers: int) -> None:
        super().__init__()
        self.dataset, self.num_steps, self.num_workers = dataset, dataset.num_steps, num_workers

    def look(self, num_samples: int) -> list[SourceReport]:
        """Look at samples of every source, before any is learned from."""
        return [look(measures, num_samples) for measures in self.dataset.measures] if num_samples else []

    def train_dataloader(self) -> DataLoader[Step]:
        """Begin at the trainer's step: a resumed run seeks, it never replays."""
        assert self.trainer is not None
        self.dataset.rank, self.dataset.world_size = self.trainer.global_rank, self.trainer.world_size
        return DataLoader(
            self.dataset,
            batch_size=None,
            sampler=RemainingSteps(self.trainer, self.num_steps),
            num_workers=self.num_workers,
            pin_memory=self.trainer.accelerator.__class__.__name__ == "CUDAAccelerator",
        )
