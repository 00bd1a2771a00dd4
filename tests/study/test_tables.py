"""Tables read the same in Markdown and LaTeX."""

import re

from vlm.study.tables import Entry, Table, escape, to_latex, to_markdown

TABLE = Table(
    ["cell", "a_b"], [[Entry("x=1"), Entry("90.1 [89, 91]", "90.1")], [Entry("long_name=~2"), Entry("-")]]
)


def test_markdown_is_padded_and_bold_where_it_is_said() -> None:
    assert to_markdown(TABLE) == [
        "| cell         | a_b               |",
        "| ------------ | ----------------- |",
        "| x=1          | **90.1** [89, 91] |",
        "| long_name=~2 | -                 |",
    ]
    assert to_markdown(Table(["a"], [[Entry("x|y")]]))[2] == r"| x\|y |"


def test_latex_is_escaped_and_bold_where_it_is_said() -> None:
    lines = to_latex(TABLE, "50 % of x_1")
    assert r"\caption{50 \% of x\_1}" in lines
    assert r"cell & a\_b \\" in lines
    assert r"x=1 & \textbf{90.1} [89, 91] \\" in lines
    assert r"long\_name=\textasciitilde{}2 & - \\" in lines
    assert lines[3] == r"\begin{tabular}{lr}"


def test_nothing_that_latex_reads_is_left() -> None:
    escaped = escape(r"a_b^c~d\e{f}$g%h&i#j <k> ± |")
    plain = re.sub(r"\\text\w+\{\}|\\[&%$#_{}]|\$(?:<|>|\\pm|\|)\$", "", escaped)
    assert not set(plain) & set("\\&%$#_{}~^<>±|")


def test_a_row_does_not_begin_with_an_option() -> None:
    assert to_latex(Table(["a"], [[Entry("[1, 2]")]]), "")[7] == r"{}[1, 2] \\"
