"""What every benchmark must do; each benchmark's own test calls this on files that it has made by hand."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from vlm.benchmark.base import Benchmark
from vlm.benchmark.folder import FolderBenchmark
from vlm.data.sample import IMAGE_PLACEHOLDER


def metrics_of(benchmark: Benchmark, answers: dict[str, str]) -> dict[str, float]:
    """Score answers by key; a question without one gets an empty answer."""
    questions = benchmark.questions()
    marks = benchmark.mark_all(questions, [answers.get(question.key, "") for question in questions])
    sums = benchmark.tally(questions, marks).sums()
    return {name: float(column[0]) for name, column in benchmark.metrics(sums).items()}


def check_contract(make: Callable[[Path], FolderBenchmark], folder: Path, best: float) -> None:
    """Hold a benchmark to the contract.

    Args:
        make: Builds it on a folder.
        folder: With all of its files.
        best: Its headline's highest value.
    """
    benchmark = make(folder)
    questions = benchmark.questions()
    assert questions == benchmark.questions()
    assert len({question.key for question in questions}) == len(questions) > 1
    for question in questions:
        assert question.text.count(IMAGE_PLACEHOLDER) == len(question.pictures)
        for picture in question.pictures:
            assert picture.read()

    right = {question.key: benchmark.right_answer(question) for question in questions}
    found = metrics_of(benchmark, right)
    assert found[benchmark.headline] == pytest.approx(best)
    assert metrics_of(benchmark, {})[benchmark.headline] < best
    marks = benchmark.mark_all(questions, [right[question.key] for question in questions])
    resampled = benchmark.metrics(benchmark.tally(questions, marks).resampled(50, seed=0))
    assert set(resampled) == set(found)
    assert all(column.shape == (50,) for column in resampled.values())
    assert np.nanmax(resampled[benchmark.headline]) <= best + 1e-9

    before = benchmark.content()
    for path in benchmark.files():
        kept = path.read_bytes()
        path.unlink()
        with pytest.raises(ValueError, match=f"(?s){benchmark.folder}.*get it from"):
            make(folder).questions()
        path.write_bytes(kept + b"\n")
        assert make(folder).content() != before
        path.write_bytes(kept)
    assert make(folder).content() == before
