"""A page that shows what was made of pictures: each with its context, and what the model said."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from random import Random

from vlm.corpus.formats.conversation import Turn
from vlm.corpus.thumbnail import thumbnail

REJECTED_SHARE = 4
"""Of each rule, a quarter as many replies are shown as of the accepted ones."""


@dataclass(frozen=True)
class Shown:
    """A reply and what became of it.

    Args:
        kind: Of the reply.
        key: Of its picture.
        context: What was known, or is to be told besides.
        picture: Its file, or what that holds; None if it is not here.
        turns: What became a record; empty if nothing did.
        text: As the model said it.
        rule: By which it was rejected; empty if it was accepted.
    """

    kind: str
    key: str
    context: str
    picture: Path | bytes | None
    turns: Sequence[Turn]
    text: str
    rule: str = ""


class Draw:
    """Draws replies evenly from as many as come: so many that were accepted, and some for each rule.

    Args:
        accepted: That were accepted, at most.
        seed: Of the draw.
    """

    def __init__(self, accepted: int, seed: int) -> None:
        self.accepted, self._random = accepted, Random(seed)
        self._drawn: dict[str, list[Shown]] = {}
        self._seen: dict[str, int] = {}

    def offer(self, shown: Shown) -> None:
        """Take a reply, perhaps in the place of another."""
        size = -(-self.accepted // REJECTED_SHARE) if shown.rule else self.accepted
        drawn = self._drawn.setdefault(shown.rule, [])
        self._seen[shown.rule] = self._seen.get(shown.rule, 0) + 1
        place = self._random.randrange(self._seen[shown.rule])
        if len(drawn) < size:
            drawn.append(shown)
        elif place < size:
            drawn[place] = shown

    def __iter__(self) -> Iterator[Shown]:
        """Yield those that were accepted, then the others by rule."""
        for rule in sorted(self._drawn):
            yield from self._drawn[rule]


def to_page(title: str, account: Sequence[str], drawn: Sequence[Shown]) -> str:
    """Return a page that needs nothing beside itself.

    Args:
        title: Of the page.
        account: What became of everything, in lines.
        drawn: What is shown.
    """
    sections = "\n".join(_section(shown) for shown in drawn)
    return _PAGE.format(title=escape(title), account=escape("\n".join(account)), sections=sections)


def _section(shown: Shown) -> str:
    verdict = f'<span class="rule">rejected: {escape(shown.rule)}</span>' if shown.rule else "accepted"
    encoded = shown.picture
    if isinstance(encoded, Path):
        encoded = encoded.read_bytes() if encoded.is_file() else None
    source = thumbnail(encoded) if encoded else ""
    picture = f'<img alt="picture" src="{source}">' if source else "<p>the picture is not here</p>"
    said = "".join(_turn(turn) for turn in shown.turns) or f"<pre>{escape(shown.text)}</pre>"
    context = escape(shown.context)
    return (
        f"<section><h2>{escape(shown.key)} <small>{escape(shown.kind)}, {verdict}</small></h2>"
        f'<div class="row"><div class="picture">{picture}</div><pre class="context">{context}</pre>'
        f'<div class="said">{said}</div></div></section>'
    )


def _turn(turn: Turn) -> str:
    question, answer = (escape(text) for text in turn)
    return f'<p class="question">{question}</p><p class="answer">{answer}</p>'


_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 90rem; margin: 2rem auto; padding: 0 1rem; }}
h2 {{ font-size: 1.05rem; border-top: 1px solid #ccc; padding-top: 1rem; }}
small {{ color: #555; font-weight: normal; }}
.row {{ display: grid; grid-template-columns: 22rem 22rem minmax(20rem, 1fr); gap: 1.5rem; }}
@media (max-width: 70rem) {{ .row {{ grid-template-columns: 1fr; }} }}
img {{ max-width: 100%; min-width: 144px; }}
pre {{ white-space: pre-wrap; font: 13px/1.5 ui-monospace, monospace; margin: 0; }}
.said p {{ white-space: pre-wrap; margin: 0 0 .6rem; }}
.question {{ font-weight: 600; }}
.answer {{ padding-left: 1rem; border-left: 3px solid #0a6b2d; }}
.rule {{ color: #b00020; font-weight: 600; }}
</style></head><body>
<h1>{title}</h1>
<pre>{account}</pre>
{sections}
</body></html>
"""
