"""What a cell answered to a benchmark, read from its evidence and tallied again."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, make_dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import DictConfig, OmegaConf

from vlm.benchmark.base import Benchmark
from vlm.benchmark.question import Mark, Question
from vlm.benchmark.tally import Column, Tally, ratio
from vlm.build_benchmarks import build_benchmark
from vlm.compose import compose_sentence
from vlm.study.outcome import Outcome
from vlm.study.scores import ELSEWHERE
from vlm.study.statistics.counts import Counts, Metric
from vlm.tensor_file import first_line

SAME = 1e-9
"""Between a score that was kept and the one that its evidence gives."""
ASKED = {"key", "kind", "cluster", "group", "question", "answer", "prediction"}
"""Of a row of evidence, what its mark does not hold."""


@dataclass(frozen=True)
class Answered:
    """One benchmark's answers of one cell.

    Args:
        headline: What the benchmark compares models by.
        keys: Of the questions, sorted.
        clusters: Of each question.
        scores: What each answer is worth.
        kept: The headline's value, as it was recorded.
        counts: The benchmark's own sums; None if they cannot be had.
        metric: The headline of these sums.
        why_not: Why there are no sums.
    """

    headline: str
    keys: tuple[str, ...]
    clusters: tuple[str, ...]
    scores: Column
    kept: float
    counts: Counts | None
    metric: Metric | None
    why_not: str = ""

    @cached_property
    def plain(self) -> Counts:
        """Sums whose metric is the mean score of all questions."""
        return _plain_counts(self.clusters, self.scores)

    @property
    def is_mean(self) -> bool:
        """Whether the headline is that mean."""
        return bool(abs(self.scores.mean() - self.kept) < SAME)

    @property
    def is_binary(self) -> bool:
        """Whether McNemar's test is of the headline: every answer right or wrong, no two of one picture."""
        alone = len(set(self.clusters)) == len(self.clusters)
        return self.is_mean and alone and bool(np.isin(self.scores, (0.0, 1.0)).all())


def mean_score(sums: Mapping[str, Column]) -> Column:
    """Return the metric of `Answered.plain`."""
    return ratio(sums["score"], sums["count"])


def _plain_counts(clusters: Sequence[str], scores: Column) -> Counts:
    return Counts.of(Tally(list(clusters), {"score": scores, "count": np.ones(len(scores))}))


def find_run(sweep: Path, folder: str) -> Path:
    """Return a run's folder: as it was written down, or beside the sweep if all has been moved."""
    return Path(folder) if Path(folder).is_dir() else sweep.parent.parent / Path(folder).name


class Scorers:
    """The benchmarks that gave a sweep's scores, built again from whichever cell's words still say them.

    Args:
        cells: Of the sweep.
    """

    def __init__(self, cells: Sequence[Outcome]) -> None:
        self.cells = cells
        self._configs: dict[int, DictConfig | ValueError] = {}
        self._found: dict[str, Benchmark | ValueError] = {}

    def find(self, name: str, made_by: Mapping[str, Any]) -> Benchmark:
        """Return a benchmark.

        Args:
            name: In the sentence.
            made_by: All its settings, but for where it lies.

        Raises:
            ValueError: No cell's words give it any more.
        """
        key = json.dumps([name, made_by], sort_keys=True)
        if key not in self._found:
            self._found[key] = self._build(name, made_by)
        found = self._found[key]
        if isinstance(found, ValueError):
            raise found
        return found

    def _build(self, name: str, made_by: Mapping[str, Any]) -> Benchmark | ValueError:
        reason = ValueError(f"evaluation.benchmarks.{name} is not set as it was when the score was taken")
        for number in range(len(self.cells)):
            config = self._composed(number)
            if isinstance(config, ValueError):
                reason = config
                continue
            node = config.evaluation.benchmarks.get(name)
            plain = OmegaConf.to_container(node, resolve=True, enum_to_str=True) if node else {}
            assert isinstance(plain, dict)
            if {key: value for key, value in plain.items() if key not in ELSEWHERE} == made_by:
                try:
                    return build_benchmark(node)
                except Exception as error:  # its files have gone, perhaps
                    reason = ValueError(first_line(error))
        return reason

    def _composed(self, number: int) -> DictConfig | ValueError:
        """Return a cell's sentence, or why it cannot be composed any more."""
        if number not in self._configs:
            words = self.cells[number].overrides
            try:
                self._configs[number] = compose_sentence(words).config
            except Exception as error:  # a choice was renamed, a limit moved: the answers are still there
                said = f"{' '.join(words)} cannot be composed any more: {first_line(error)}"
                self._configs[number] = ValueError(said)
        return self._configs[number]


def read_answered(sweep: Path, cell: Outcome, scorers: Scorers) -> dict[str, Answered | str]:
    """Return what a cell answered, by benchmark; or why it cannot be known.

    Args:
        sweep: Folder of the sweep.
        cell: Of it.
        scorers: Of its cells.
    """
    found: dict[str, Answered | str] = {}
    for name in cell.headlines:
        if name not in cell.evaluations:
            found[name] = "no evidence is named; say the same vlm train again, which trains nothing"
            continue
        path = find_run(sweep, cell.run_folders[-1]) / cell.evaluations[name]
        evidence = path.with_suffix(".predictions.jsonl")
        lacking = [str(file) for file in (path, evidence) if not file.is_file()]
        found[name] = f"{lacking[0]} is not there" if lacking else _read(name, path, evidence, scorers)
    return found


def _read(name: str, path: Path, evidence: Path, scorers: Scorers) -> Answered | str:
    known = json.loads(path.read_text("utf-8"))
    with evidence.open(encoding="utf-8") as lines:
        rows = sorted((json.loads(line) for line in lines), key=lambda row: str(row["key"]))
    headline = known["score"]["headline"]
    if not rows or "score" not in rows[0] or headline not in known["score"]["metrics"]:
        return "its answers are not scored"
    keys = tuple(row["key"] for row in rows)
    clusters = tuple(row["cluster"] for row in rows)
    scores = np.array([row["score"] for row in rows], dtype=np.float64)
    kept = float(known["score"]["metrics"][headline])
    try:
        benchmark = scorers.find(name, known["how"]["benchmark"])
        counts, metric = _tallied(benchmark, rows, headline, kept)
    except Exception as error:  # whatever it is, the plain mean is left, and the report says so
        return Answered(headline, keys, clusters, scores, kept, None, None, first_line(error))
    return Answered(headline, keys, clusters, scores, kept, counts, metric)


def _tallied(
    benchmark: Benchmark, rows: Sequence[Mapping[str, Any]], headline: str, kept: float
) -> tuple[Counts, Metric]:
    """Sum up the rows by the benchmark's own rule.

    Raises:
        ValueError: That does not give the score that was kept.
    """

    def metric(sums: Mapping[str, Column]) -> Column:
        return benchmark.metrics(sums)[headline]

    questions = [
        Question(
            row["key"], row["kind"], "", (), row["answer"],
            group=row.get("group", ""),  # evidence of an earlier version has none
            images=row["cluster"],
        )
        for row in rows
    ]  # fmt: skip
    counts = Counts.of(benchmark.tally(questions, _marks(rows)))
    found = counts.value(metric)
    if not abs(found - kept) < SAME * max(1.0, abs(kept)):
        raise ValueError(f"its evidence gives {headline} {found:.6g} and not {kept:.6g}")
    return counts, metric


def _marks(rows: Sequence[Mapping[str, Any]]) -> list[Mark]:
    """Return the marks with all that their scorer gave them: a judge's rating of the reference, say."""
    own = {"score", "parsed", "evidence"}
    added = [key for key in rows[0] if key not in ASKED | own and not key.endswith("_prediction")]
    kind: Any = make_dataclass("KeptMark", added, bases=(Mark,), frozen=True, kw_only=True)
    marks: list[Mark] = [kind(**{key: row[key] for key in (*own, *added) if key in row}) for row in rows]
    return marks
