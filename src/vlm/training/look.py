"""Is the picture used? What a run loses without it, and how much attention it pays to it, now and then.

A model that answers as well with another sample's picture reads the question only (Goyal et al. 2017,
arXiv:1612.00837).
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import lightning
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from vlm import ranks
from vlm.data.document import Document
from vlm.data.gate import spread
from vlm.data.looked_at import VARIANTS, LookedAt
from vlm.data.packing import best_fit
from vlm.data.steps import Step
from vlm.data.tokens import IGNORE_ID, IMAGE_ID
from vlm.llm.attention_mass import AttentionMass
from vlm.training.callback import TaskCallback, is_time
from vlm.training.task import Task
from vlm.training.validation import Show, unlearning

CHUNK = 16
"""Samples that a device holds at once, in all variants."""
TABLE_SIZE = 16
"""Samples that are shown with their pictures."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Seen:
    """What was measured, all devices together.

    Args:
        sums: Cross-entropy (nats) of each sample's supervised tokens, one column for each of `VARIANTS`.
        counts: Those tokens, alike; 0 where a sample is faulty, or has no such variant.
        pictured: Samples whose attention was measured: sound ones with pictures.
        attention: One row for each layer, both summed over these: the share of attention on visual tokens,
            and the share that these are of what is seen.
    """

    sums: Floats
    counts: Floats
    pictured: NDArray[np.bool_]
    attention: Floats

    def figures(self, sources: Sequence[str]) -> dict[str, float]:
        """Return what is logged, by name.

        Args:
            sources: Of each sample, its source's name.
        """
        found = {
            f"look/loss/{variant}": float(self.sums[:, place].sum() / self.counts[:, place].sum())
            for place, variant in enumerate(VARIANTS)
            if self.counts[:, place].any()
        }
        groups = {f"look/{source}": np.array(sources) == source for source in dict.fromkeys(sources)}
        for name, group in {"look": np.ones(len(sources), dtype=bool), **groups}.items():
            gains = self.gains(group)
            found |= {f"{name}/gain/{variant}": gain for variant, gain in gains.items() if gain is not None}
        return found | self._mean_attention()

    def gains(self, group: NDArray[np.bool_]) -> dict[str, float | None]:
        """Return by how much the loss is higher without the right picture than with it (nats per token).

        Args:
            group: The samples that are taken together.

        Returns:
            By variant, of the samples that have it; None if none has.
        """
        gains: dict[str, float | None] = {}
        for place, variant in enumerate(VARIANTS[1:], start=1):
            both = group & (self.counts[:, place] > 0)
            lost = self.sums[both, place].sum() - self.sums[both, 0].sum()
            gains[variant] = float(lost / self.counts[both, 0].sum()) if both.any() else None
        return gains

    def _mean_attention(self) -> dict[str, float]:
        if not self.pictured.any():
            return {}
        mass, uniform = self.attention.T / self.pictured.sum()
        found = {f"look/attention/layer_{layer}": float(share) for layer, share in enumerate(mass)}
        of_all = {"look/attention/mean": float(mass.mean()), "look/attention/uniform": float(uniform.mean())}
        return found | of_all


class Look(TaskCallback):
    """Take the loss of samples with the right pictures and without, and the attention on them, at intervals.

    What is logged: `look/loss/<variant>` (nats per token); `look/gain/<variant>` and
    `look/<source>/gain/<variant>`, above 0 where the right picture helps; and the share of attention that
    positions whose next token is supervised pay to visual tokens, the mean over heads, positions and samples
    with pictures, in each layer (`look/attention/layer_<i>`) and over all (`mean`), beside what it would be
    if they attended alike to all that they see (`uniform`).

    Args:
        looked_at: Samples in all variants.
        every: Steps between; the last step's end counts, too.
        token_budget: Tokens of a row.
        show: Keeps a step's table of some samples.
    """

    def __init__(self, looked_at: LookedAt, every: int, token_budget: int, show: Show) -> None:
        self.looked_at, self.every, self.token_budget, self.show = looked_at, every, token_budget, show

    def after_step(self, trainer: lightning.Trainer, task: Task, step: Step) -> None:
        """Look, if it is time."""
        if not is_time(task, self.every):
            return
        with unlearning(task, trainer):
            seen = self.look(task)
        if trainer.logger:
            figures = seen.figures([name for name, _ in self.looked_at.places])
            trainer.logger.log_metrics(figures, step=task.step)
        rows = [] if ranks.rank() else self._table(seen)
        if rows:
            self.show(task.step, rows)

    @torch.no_grad()
    def look(self, task: Task) -> Seen:
        """Measure; every device takes its share of the samples, and makes as many passes as all others."""
        num_samples, world = len(self.looked_at), ranks.world_size()
        mine = range(ranks.rank(), num_samples, world)
        [blocks] = task.model.llm.blocks
        losses, attention = np.zeros((2, num_samples, len(VARIANTS))), np.zeros((len(blocks), 2))
        for first in range(0, -(-num_samples // world), CHUNK):
            self._look_at(task, mine[first : first + CHUNK], losses, attention)
        of_all = ranks.gathered([*losses.flatten().tolist(), *attention.flatten().tolist()]).sum(0).numpy()
        sums, counts = of_all[: losses.size].reshape(losses.shape)
        sound, pictured = (counts[:, :2] > 0).T
        for of_sample in (sums, counts):
            of_sample[sound & ~pictured] = of_sample[sound & ~pictured, :1]  # nothing to take from a text
        return Seen(sums, counts, pictured, of_all[losses.size :].reshape(attention.shape))

    def _look_at(self, task: Task, places: Sequence[int], losses: Floats, attention: Floats) -> None:
        """Add what some samples give to the sums and counts, and to the attention."""
        asked = [
            (place, VARIANTS.index(variant), document)
            for place in places
            if (variants := self.looked_at[place])
            for variant, document in variants.documents.items()
        ]
        rows = best_fit([len(document.ids) for _, _, document in asked], self.token_budget)
        num_passes = int(ranks.gathered([len(rows)]).max())
        for row in [*rows, *[[]] * (num_passes - len(rows))]:
            here = [asked[number] for number in row]
            watched = {
                number: _supervised(document)
                for number, (_, variant, document) in enumerate(here)
                if variant == 0 and document.pictures
            }
            sums, shares = self._read(task, [document for _, _, document in here], watched)
            for (place, variant, document), summed in zip(here, sums, strict=True):
                losses[:, place, variant] = summed, len(_supervised(document))
            attention += shares

    def _read(
        self, task: Task, documents: Sequence[Document], watched: dict[int, NDArray[np.int64]]
    ) -> tuple[list[float], Floats]:
        """Return each document's summed loss; and by layer, the summed attention of the watched ones."""
        each = [replace(document, key=f"{number}/") for number, document in enumerate(documents)]
        row = task.transfer_batch_to_device(self.looked_at.lay(each), task.device, 0)
        places = {number: torch.from_numpy(those).to(task.device) for number, those in watched.items()}
        noted = AttentionMass(row.ids == IMAGE_ID, places)
        with noted.noted():
            sums = task.model(row)  # of each source: a document is one of its own
        shares = torch.stack([torch.stack(noted.mass), torch.stack(noted.uniform)], dim=-1)
        return sums.tolist()[: len(documents)], shares.double().sum(1).cpu().numpy()

    def _table(self, seen: Seen) -> list[dict[str, Any]]:
        """Return rows for some samples with pictures, spread over all."""
        places = np.flatnonzero(seen.pictured)
        chosen = places[spread(0, len(places), TABLE_SIZE)].tolist() if len(places) else []
        return [self._row(seen, place) for place in chosen]

    def _row(self, seen: Seen, place: int) -> dict[str, Any]:
        name, number = self.looked_at.places[place]
        sample = self.looked_at.readers[name].shards[number]
        question, expected = (turn.text for turn in sample.turns[:2])
        gains = seen.gains(np.arange(len(seen.sums)) == place)
        return {
            "image": Image.open(io.BytesIO(sample.images[0])),
            "source": sample.source,
            "key": sample.key,
            "question": question,
            "expected": expected,
            "loss": float(seen.sums[place, 0] / seen.counts[place, 0]),
            **{f"gain/{variant}": gain for variant, gain in gains.items()},
        }


def _supervised(document: Document) -> NDArray[np.int64]:
    """Return the positions whose next token is supervised."""
    return np.flatnonzero(document.labels[1:] != IGNORE_ID)
