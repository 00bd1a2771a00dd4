"""Tables as Markdown and as LaTeX."""

from collections.abc import Sequence
from dataclasses import dataclass

LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{",
    "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"$<$", ">": r"$>$",
    "±": r"$\pm$", "|": r"$|$",
}  # fmt: skip
"""Characters that mean something to LaTeX, or that it has no sign for."""


@dataclass(frozen=True)
class Entry:
    """What stands in one place.

    Args:
        text: Plain.
        bold: Which part of it is set in bold, from its beginning; empty is none.
    """

    text: str
    bold: str = ""


@dataclass(frozen=True)
class Table:
    """Rows under a header.

    Args:
        header: Of the columns.
        rows: As long as the header.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[Entry]]


def to_markdown(table: Table) -> list[str]:
    """Return the lines, columns padded so that they can be read as they are."""
    texts = [list(table.header), *([_in_markdown(entry) for entry in row] for row in table.rows)]
    widths = [max(len(row[column]) for row in texts) for column in range(len(table.header))]
    lines = [[text.ljust(width) for text, width in zip(row, widths, strict=True)] for row in texts]
    lines.insert(1, ["-" * width for width in widths])
    return [f"| {' | '.join(line)} |" for line in lines]


def to_latex(table: Table, caption: str) -> list[str]:
    """Return the lines of a floating table, for the package booktabs."""
    columns = "l" + "r" * (len(table.header) - 1)
    rows = [[_in_latex(entry) for entry in row] for row in table.rows]
    return [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{escape(caption)}}}",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        _latex_line([escape(title) for title in table.header]),
        r"\midrule",
        *map(_latex_line, rows),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]


def escape(text: str) -> str:
    """Return text that LaTeX prints as it is."""
    return "".join(LATEX.get(letter, letter) for letter in text)


def _in_markdown(entry: Entry) -> str:
    rest = entry.text.removeprefix(entry.bold).replace("|", r"\|")
    return f"**{entry.bold}**{rest}" if entry.bold else rest


def _in_latex(entry: Entry) -> str:
    rest = escape(entry.text.removeprefix(entry.bold))
    if not entry.bold:
        # A row that begins with a bracket would be read as an option of the line break before it.
        return f"{{}}{rest}" if rest.startswith("[") else rest
    return rf"\textbf{{{escape(entry.bold)}}}{rest}"


def _latex_line(texts: Sequence[str]) -> str:
    return " & ".join(texts) + r" \\"
