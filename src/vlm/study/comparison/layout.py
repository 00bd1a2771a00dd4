"""What the report's tables hold: scores by row, and differences by comparison."""

from collections.abc import Mapping, Sequence
from statistics import fmean, stdev

from vlm.study.comparison.compare import Comparison, Findings
from vlm.study.comparison.rows import Row, kinds, scale
from vlm.study.outcome import Outcome
from vlm.study.tables import Entry, Table

BLIND = "blind"
NOTHING = Entry("-")


def scores_table(
    rows: Sequence[Row], cells: Sequence[Outcome], headlines: Mapping[str, str], findings: Findings
) -> Table:
    """Return headlines with their intervals, or mean and spread over seeds; of one benchmark, all its kinds.

    A score is bold if it is really different from its baseline's.
    """
    header, columns = ["cell"], []
    for name, headline in headlines.items():
        parts = _parts(cells, name, headline) if len(headlines) == 1 else {}
        header += [name, *parts]
        times = scale(cells, name, headline)
        columns.append(
            [
                [
                    _headline(row, f"benchmark/{name}/{headline}", times, findings.of(name, row.label)),
                    *(_mean(row, key, times) for key in parts.values()),
                ]
                for row in rows
            ]
        )
    lines = [
        [Entry(row.label), *(entry for column in columns for entry in column[number]), _seconds(row)]
        for number, row in enumerate(rows)
    ]
    return Table([*header, "seconds"], lines)


def kinds_table(rows: Sequence[Row], cells: Sequence[Outcome], name: str, headline: str) -> Table:
    """Return one benchmark's blind control and kinds, means over seeds."""
    parts = {name: f"benchmark/{name}/{headline}"} | _parts(cells, name, headline)
    times = scale(cells, name, headline)
    lines = [[Entry(row.label), *(_mean(row, key, times) for key in parts.values())] for row in rows]
    return Table(["cell", *parts], lines)


def differences_table(findings: Findings, scales: Mapping[str, int]) -> Table:
    """Return every comparison; what is inside the noise is said to be and never bold.

    The baseline is in the header if there is only one.
    """
    bases = {found.baseline for found in findings.comparisons}
    alone = len(bases) == 1
    header = [f"against {bases.pop()}"] if alone else ["cell", "against"]
    header += ["benchmark", "difference", "p", "p of seeds", "Holm", "detectable", "noise floor", "it is"]
    rows = []
    for found in findings.comparisons:
        times = scales[found.benchmark]
        difference = f"{times * found.difference:+z.1f}"
        low, high = (f"{times * end:+z.1f}" for end in found.interval)
        rows.append(
            [
                Entry(found.row),
                *([] if alone else [Entry(found.baseline)]),
                Entry(_named(found)),
                Entry(f"{difference} [{low}, {high}]", difference if found.is_real else ""),
                Entry(_p(found.p)),
                NOTHING if found.seed_p is None else Entry(_p(found.seed_p)),
                Entry(_p(found.adjusted)),
                Entry(f"{times * found.detectable:.1f}"),
                Entry("unknown" if found.floor is None else f"{times * found.floor:.1f}"),
                Entry(found.verdict),
            ]
        )
    return Table(header, rows)


def _named(found: Comparison) -> str:
    return found.benchmark if found.metric != "mean score" else f"{found.benchmark} (mean score)"


def _headline(row: Row, key: str, times: int, found: Comparison | None) -> Entry:
    """Return mean and spread over seeds, or the score with its interval; bold if it is really different."""
    values = row.values(key)
    if not values:
        return NOTHING
    score = f"{times * fmean(values):.1f}"
    bold = score if found and found.is_real else ""
    if len(values) > 1:
        return Entry(f"{score} ± {times * stdev(values):.1f} ({len(values)} seeds)", bold)
    ends = [row.values(f"{key}_{end}") for end in ("low", "high")]
    if not all(ends):
        return Entry(score, bold)
    low, high = (f"{times * end[0]:.1f}" for end in ends)
    return Entry(f"{score} [{low}, {high}]", bold)


def _parts(cells: Sequence[Outcome], name: str, headline: str) -> dict[str, str]:
    """Return the titles and metrics of the blind control, if anybody has it, and of the kinds."""
    blind = f"benchmark/{name}/{BLIND}"
    parts = {BLIND: blind} if any(blind in cell.metrics for cell in cells) else {}
    return parts | {kind: f"benchmark/{name}/{headline}/{kind}" for kind in kinds(cells, name, headline)}


def _mean(row: Row, key: str, times: int) -> Entry:
    values = row.values(key)
    return Entry(f"{times * fmean(values):.1f}") if values else NOTHING


def _seconds(row: Row) -> Entry:
    return Entry(f"{row.seconds:.0f}") if row.cells else NOTHING


def _p(value: float) -> str:
    return "<0.0001" if value < 1e-4 else f"{value:.2g}"
