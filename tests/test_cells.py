"""Cells of encoder x projector x LLM family x adapter, by their twins: train, answer, save, load.

No part is named here: the words are those of the config folder. `make test` runs cells in which every pair
of words of two groups meets at least once; `make test-slow` runs them all.
"""

import io
from collections.abc import Callable, Iterator
from itertools import combinations, product
from pathlib import Path

import pytest
import torch
from hydra.errors import InstantiationException
from omegaconf import OmegaConf
from PIL import Image

from tests.conftest import Compose, complete_words
from tests.losses import mean_loss
from vlm.build import build_answerer, build_model, build_task
from vlm.build_data import build_dataset
from vlm.compose import compose_sentence
from vlm.data.batch import PackedBatch
from vlm.data.sample import Prompt
from vlm.model.vision_language import VisionLanguageModel
from vlm.paths import config_dir
from vlm.training.weights import load_weights, save_weights

Cell = tuple[str, str, str, str]


def families() -> list[str]:
    """One LLM of each family: their twins would be the same."""
    first: dict[str, str] = {}
    for word in complete_words("llm"):
        config = OmegaConf.load(config_dir() / "llm" / f"{word}.yaml").get("config") or {}
        first.setdefault(config.get("model_type", word), word)
    return sorted(first.values())


AXES = (complete_words("encoder"), complete_words("projector"), families(), complete_words("adapter"))

USUAL_PROJECTOR = compose_sentence([]).choices["projector"]


def pairs(cell: Cell) -> set[tuple[int, str, int, str]]:
    return {(a, cell[a], b, cell[b]) for a, b in combinations(range(len(cell)), 2)}


def covering() -> Iterator[Cell]:
    """Greedily: the cell with most pairs that have not met, until all have."""
    cells = list(product(*AXES))
    unmet = set().union(*map(pairs, cells))
    while unmet:
        best = max(cells, key=lambda cell: len(pairs(cell) & unmet))
        unmet -= pairs(best)
        yield best


def build(compose: Compose, cell: Cell) -> tuple[VisionLanguageModel, object]:
    encoder, projector, llm, adapter = cell
    learns = "full" if adapter == "none" else "adapter"
    config = compose(
        "twin=true", f"encoder={encoder}", f"projector={projector}", f"llm={llm}", f"adapter={adapter}",
        f"stage.learns.llm={learns}", "stage.after=null", "stage.batch_size=2",
    )  # fmt: skip
    torch.manual_seed(1)
    return build_model(config), config


def logits(model: VisionLanguageModel, batch: PackedBatch) -> torch.Tensor:
    with torch.no_grad():
        return model.eval().hidden_states(batch) @ model.llm.head.T


def check(cell: Cell, compose: Compose, folder: Path) -> None:
    model, config = build(compose, cell)
    batch = build_dataset(config, model)[0].rows[0]
    task = build_task(config, model, 2, [])
    task.configure_model()
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    learning = {name for name, weight in model.named_parameters() if weight.requires_grad}
    optimizer = torch.optim.Adam([weight for weight in model.parameters() if weight.requires_grad], lr=0.01)
    for _ in range(3):  # an adapter's second matrix is zero at first, and stops the first one's gradient
        mean_loss(model, batch).backward()
        optimizer.step()
        optimizer.zero_grad()
    changed = {name for name, weight in model.named_parameters() if not torch.equal(weight, before[name])}
    assert changed <= learning
    # A bias that shifts all keys of an attention alike changes nothing; a word that is not said either.
    still = {name for name in learning - changed if before[name].ndim > 1}
    assert not still, f"declared to learn, and does not: {min(still)}"

    save_weights(model, task.adapters, folder, task.strategy)
    for adapted in task.adapters.values():
        adapted.merge_and_unload(safe_merge=True)
    again, _ = build(compose, cell)
    again.configure_model()
    load_weights(again, folder)
    assert torch.equal(logits(again, batch), logits(model, batch))

    picture = io.BytesIO()
    Image.new("RGB", (40, 30), "red").save(picture, "PNG")
    prompts = [Prompt("<image>\nWhich color?", (picture.getvalue(),)), Prompt("Hello?")]
    assert len(build_answerer(config, again, 3)(prompts)) == 2


def fits(cell: Cell, compose: Compose, folder: Path) -> bool:
    """Check a cell; whether its sizes can meet, which is refused by name if not."""
    try:
        check(cell, compose, folder)
    except InstantiationException as error:
        if "needs features of the LLM's size" not in str(error.__cause__):
            raise
        return False
    return True


@pytest.mark.parametrize("cell", list(covering()), ids=" ".join)
def test_every_pair_of_words_works(cell: Cell, compose: Compose, tmp_path: Path) -> None:
    if not fits(cell, compose, tmp_path):  # its other words must meet all the same
        encoder, _, *others = cell
        check((encoder, USUAL_PROJECTOR, *others), compose, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("encoder", AXES[0])
def test_every_cell_works(
    encoder: str, compose: Compose, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    failed, refused = [], 0
    for cell in product([encoder], *AXES[1:]):
        try:
            refused += not fits(cell, compose, tmp_path / "-".join(cell))
        except Exception as error:  # the others shall be tried too
            failed.append(f"{' '.join(cell)}: {error!r}")
    record_property("cells whose sizes cannot meet", refused)
    assert not failed, "\n".join(failed)
