"""The LightningDataModule that serves the steps that are still to do."""

import lightning
from torch.utils.data import DataLoader

from vlm.data.gate import SourceReport, look
from vlm.data.steps import Step, StepDataset


class DataModule(lightning.LightningDataModule):
    """Serve the steps that are still to do.

    Args:
        dataset: Of the stage.
        num_workers: Processes that prepare steps; 0 for none.

    Attributes:
        first_step: Where a resumed run goes on.
    """

    def __init__(self, dataset: StepDataset, num_workers: int) -> None:
        super().__init__()
        self.dataset, self.num_steps, self.num_workers = dataset, dataset.num_steps, num_workers
        self.first_step = 0

    def look(self, num_samples: int) -> list[SourceReport]:
        """Look at samples of every source, before any is learned from."""
        return [look(measures, num_samples) for measures in self.dataset.measures] if num_samples else []

    def train_dataloader(self) -> DataLoader[Step]:
        """Begin at the first step that is to do: a resumed run seeks, it never replays."""
        assert self.trainer is not None
        self.dataset.rank, self.dataset.world_size = self.trainer.global_rank, self.trainer.world_size
        return DataLoader(
            self.dataset,
            batch_size=None,
            sampler=range(self.first_step, self.num_steps),
            num_workers=self.num_workers,
            pin_memory=self.trainer.accelerator.__class__.__name__ == "CUDAAccelerator",
        )
