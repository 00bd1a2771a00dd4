"""What a person reads of a proof: a table for each cell, what is to be said of them, the verdict."""

from collections.abc import Iterator, Mapping, Sequence

from vlm.config import PARTS
from vlm.study.prove.cells import CellWords
from vlm.study.prove.lint import Level, Lint
from vlm.study.prove.proof import PartProof, StageProof
from vlm.study.prove.prover import CellProof
from vlm.study.prove.sizes import Sizes

COLUMNS = (
    "stage", "visual", "supervised", "part", "learn", "of", "gradient", "changed", "held out", "resumed",
    "reloaded",
)  # fmt: skip
LEFT = ("stage", "part")
NOT_KNOWN = "?"


def describe_cell(number: int, total: int, cell: CellWords, proof: CellProof) -> Iterator[str]:
    """Yield a cell's table, a line at a time; why it fails, if it does.

    Visual tokens of a picture, supervised tokens of a step, and parameters are those of the real sizes;
    gradients, changes and losses those of the twin.
    """
    answered = f"runs; {len(proof.answers)} questions answered; {proof.exported}"
    verdict = f"fails: {proof.error}" if proof.error else answered
    yield f"{number}/{total} {str(cell) or 'the default sentence'}: {verdict} ({proof.seconds:.1f} s)"
    rows = [dict(zip(COLUMNS, COLUMNS, strict=True)), *_rows(proof)]
    if len(rows) == 1:
        return
    widths = {column: max(len(row.get(column, "")) for row in rows) for column in COLUMNS}
    for row in rows:
        cells = [
            row.get(column, "").ljust(width) if column in LEFT else row.get(column, "").rjust(width)
            for column, width in widths.items()
        ]
        yield f"  {'  '.join(cells)}".rstrip()


def _rows(proof: CellProof) -> Iterator[Mapping[str, str]]:
    """Yield a row for each part of each stage; what is said of the stage stands in its first."""
    for place, stage in enumerate(proof.stages):
        sizes = proof.sizes.get(place)
        seen = proof.proofs[place] if place < len(proof.proofs) else None
        for name in PARTS if sizes or seen else ():
            row = {"part": name} | _of_part(name, sizes, seen)
            if name == PARTS[0]:
                again = place < len(proof.known) and proof.known[place]
                row |= {"stage": f"{stage} (proven above)" if again else stage} | _of_stage(sizes, seen)
            yield row


def _of_stage(sizes: Sizes | None, seen: StageProof | None) -> dict[str, str]:
    row = {}
    if sizes:
        least, most = sizes.visual_tokens
        row["visual"] = f"{least}" if least == most else f"{least}-{most}"
        row["supervised"] = NOT_KNOWN if sizes.supervised is None else f"{sizes.supervised:,.0f}"
    if seen:
        row["held out"] = "-" if seen.held_out_loss is None else f"{seen.held_out_loss:.3f}"
        row["resumed"], row["reloaded"] = _equal(seen.resumed), _equal(seen.reloaded)
    return row


def _equal(is_equal: bool) -> str:
    return "equal" if is_equal else "DIFFERS"


def _of_part(name: str, sizes: Sizes | None, seen: StageProof | None) -> dict[str, str]:
    row = {}
    if sizes:
        learning, all_of_them = sizes.parts[name]
        row["learn"], row["of"] = f"{learning:,}", f"{all_of_them:,}"
    if seen:
        row |= _of_weights(seen.parts[name])
    return row


def _of_weights(part: PartProof) -> dict[str, str]:
    if not part.learning:
        return {"gradient": "-", "changed": f"{part.disturbed} of {part.weights}" if part.disturbed else "-"}
    reached = part.learning - len(part.without_gradient)
    return {
        "gradient": f"{reached} of {part.learning}",
        "changed": f"{part.changed} of {part.learning}",
    }


def gather(proofs: Sequence[CellProof], of_all: Sequence[Lint]) -> list[tuple[Lint, list[int]]]:
    """Return what is to be said, worst first, each once, with the numbers of the cells that it is said of."""
    found: dict[Lint, list[int]] = {lint: [] for lint in of_all}
    for number, proof in enumerate(proofs, start=1):
        for lint in proof.lints:
            if not (proof.error and proof.error.endswith(lint.text)):  # said already
                found.setdefault(lint, []).append(number)
    order = list(Level)
    return sorted(found.items(), key=lambda pair: order.index(pair[0].level))


def describe_lints(gathered: Sequence[tuple[Lint, list[int]]], total: int) -> Iterator[str]:
    """Yield a line for each."""
    for lint, cells in gathered:
        some = 0 < len(cells) < total
        where = f" (cell{'s' * (len(cells) > 1)} {', '.join(map(str, cells))})" if some else ""
        yield f"{lint.level.value}{where}: {lint.text}"


def conclude(proofs: Sequence[CellProof], gathered: Sequence[tuple[Lint, list[int]]]) -> tuple[str, bool]:
    """Return the verdict in a line, and whether GPUs may be booked."""
    failed = sum(bool(proof.error) for proof in proofs)
    counts = {level: sum(lint.level is level for lint, _ in gathered) for level in Level}
    fine = not failed and not counts[Level.error]
    said = ", ".join(f"{count} {level.value}{'s' * (count != 1)}" for level, count in counts.items())
    cells = f"{len(proofs) - failed} of {len(proofs)} cells run"
    if len(proofs) == 1:
        cells = "it fails" if failed else "it runs"
    seconds = sum(proof.seconds for proof in proofs)
    verdict = "nothing stands in the way of booking GPUs" if fine else "book no GPU for it yet"
    return f"{cells}; {said}; {seconds:.0f} s; {verdict}", fine
