"""What is said of a run's speed adds up."""

import time
from pathlib import Path

import pytest

from tests.conftest import Compose
from vlm.build import build_flops, build_model, build_task, build_trainer
from vlm.build_data import build_data
from vlm.training.clock import Clock
from vlm.training.meter import Meter
from vlm.values import Checkpointing


def test_figures_add_up(compose: Compose, tmp_path: Path) -> None:
    config = compose("stage.after=null", "trainer.activation_checkpointing=full")
    model = build_model(config)
    data = build_data(config, model)
    task = build_task(config, model, data.num_steps, [])
    flops = build_flops(config)
    meter = Meter(flops, 2, Checkpointing.full, peak_tflops=0.1)
    started = time.perf_counter()
    build_trainer(config, task, [meter], None).fit(task, datamodule=data)
    took = time.perf_counter() - started
    found = task.metrics
    rows = [row for step in (2, 3) for row in data.dataset[step].rows]
    tokens = sum(len(row.ids) for row in rows)
    assert found["throughput/images_per_second"] / found["throughput/tokens_per_second"] == pytest.approx(
        sum(row.num_pictures for row in rows) / tokens
    )
    assert tokens / took < found["throughput/tokens_per_second"]
    seconds = tokens / found["throughput/tokens_per_second"]
    parts = [found[f"throughput/seconds/{part}"] for part in ("data", "forward", "backward", "optimizer")]
    assert 0 < 2 * sum(parts) <= seconds
    done = [flops.of_row(len(r.tiles), r.edges.lengths, r.num_supervised, True) for r in rows]
    assert found["throughput/mfu"] == pytest.approx(sum(d.model for d in done) / seconds / 1e11)
    assert found["throughput/hfu"] == pytest.approx(sum(d.hardware for d in done) / seconds / 1e11)
    assert found["throughput/hfu"] > found["throughput/mfu"]
    assert found["throughput/rank_imbalance"] == 1
    assert found["memory/peak_gib"] > 0.1


def test_a_clock_adds_up_and_begins_again() -> None:
    clock = Clock("cpu")
    for _ in range(2):
        with clock("sleep"):
            time.sleep(0.01)
    clock.add("data", 3.0)
    read = clock.read()
    assert 0.02 <= read["sleep"] < 0.2
    assert read["data"] == 3
    assert clock.read() == {}
