"""Samples as the model reads them: which tokens, which of them it learns, which pictures."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby

from rich.text import Text
from transformers import PreTrainedTokenizerBase

from vlm.corpus.thumbnail import thumbnail
from vlm.data.document import DocumentReader
from vlm.data.sample import FaultySampleError
from vlm.data.tokens import IGNORE_ID, IMAGE_ID


@dataclass(frozen=True)
class Piece:
    """One token, or the visual tokens of a picture.

    Args:
        text: That it stands for.
        token: Its id; None for a picture.
        learned: Whether the model learns to write it.
        beyond: Whether it is cut off.
    """

    text: str
    token: int | None
    learned: bool
    beyond: bool


@dataclass(frozen=True)
class View:
    """A sample, as it is read.

    Args:
        name: `source/key`.
        pieces: In order.
        images: Encoded pictures.
        fault: Why nothing is learned from it; empty if something is.
    """

    name: str
    pieces: Sequence[Piece]
    images: Sequence[bytes]
    fault: str = ""

    @property
    def counts(self) -> str:
        """How many tokens of which kind, in words."""
        learned = sum(piece.learned and not piece.beyond for piece in self.pieces)
        words = sum(piece.token is not None for piece in self.pieces)
        beyond = sum(piece.beyond for piece in self.pieces)
        return f"{words} words' tokens, {learned} learned" + (f", {beyond} cut off" if beyond else "")


def view(reader: DocumentReader, number: int) -> View:
    """Return a sample as it is read."""
    sample = reader.shards[number]
    name = reader.name(sample)
    try:
        tokens = reader.tokens(sample)
        rooms = [reader.image_transform.room(image).tokens for image in sample.images]
    except (FaultySampleError, OSError) as error:
        return View(name, [], sample.images, str(error))
    fault = ""
    try:
        reader[number]
    except FaultySampleError as error:
        fault = str(error)
    pieces, rest, place, before = [], iter(rooms), 0, 0
    for token, label in zip(tokens.ids, tokens.labels, strict=True):
        room = next(rest) if token == IMAGE_ID else 1
        beyond = place + room > reader.context_length
        text = f"[picture: {room} tokens]" if token == IMAGE_ID else spell(reader.tokenizer, before, token)
        pieces.append(Piece(text, None if token == IMAGE_ID else token, label != IGNORE_ID, beyond))
        place += room
        before = before if token == IMAGE_ID else token
    return View(name, pieces, sample.images, fault)


def spell(tokenizer: PreTrainedTokenizerBase, before: int, token: int) -> str:
    """Return what a token adds to the one before it, its space included."""
    return str(tokenizer.decode([before, token])).removeprefix(tokenizer.decode([before]))


def to_terminal(seen: View) -> Text:
    """Color a sample: what is learned green, pictures blue, what is cut off struck out."""
    text = Text(f"{seen.name}  ", "bold").append(seen.counts, "dim")
    if seen.fault:
        text.append(f"\n{seen.fault}", "bold red")
    text.append("\n")
    for number, piece in enumerate(seen.pieces):
        style = "blue" if piece.token is None else ("green" if piece.learned else "")
        shade = " on grey15" if number % 2 else ""
        text.append(piece.text, f"{style}{shade}{' strike' if piece.beyond else ''}".strip())
    return text.append("\n")


def to_page(title: str, table: Sequence[str], seen: Sequence[View]) -> str:
    """Return a page that needs nothing beside itself."""
    samples = "\n".join(_section(one) for one in seen)
    return _PAGE.format(title=escape(title), table=escape("\n".join(table)), samples=samples)


def _section(seen: View) -> str:
    pictures = "".join(f'<img alt="picture" src="{thumbnail(image)}">' for image in seen.images)
    fault = f'<p class="fault">{escape(seen.fault)}</p>' if seen.fault else ""
    return (
        f"<section><h2>{escape(seen.name)} <small>{seen.counts}</small></h2>{fault}"
        f'<div class="sample"><div>{pictures}</div><p>{"".join(_spans(seen.pieces))}</p></div></section>'
    )


def _spans(pieces: Sequence[Piece]) -> Iterator[str]:
    """Yield a span for each run of one kind, with a span for each token in it."""
    for (learned, beyond), run in groupby(pieces, key=lambda piece: (piece.learned, piece.beyond)):
        kinds = [name for name, holds in (("learned", learned), ("beyond", beyond)) if holds]
        inside = "".join(
            f'<span class="{"picture" if piece.token is None else "token"}" title="{piece.token or ""}">'
            f"{escape(piece.text)}</span>"
            for piece in run
        )
        yield f'<span class="{" ".join(kinds)}">{inside}</span>'


_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
body {{ font: 16px/1.6 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }}
h2 {{ font-size: 1.05rem; border-top: 1px solid #ccc; padding-top: 1rem; }}
small {{ color: #666; font-weight: normal; }}
.sample {{ display: flex; gap: 1.5rem; align-items: flex-start; }}
.sample p {{ white-space: pre-wrap; margin: 0; flex: 1; }}
img {{ display: block; max-width: 360px; min-width: 144px; margin-bottom: .5rem; }}
.token:nth-child(even) {{ background: rgba(0, 0, 0, .06); }}
.token:hover {{ outline: 1px solid #333; }}
.learned {{ color: #0a6b2d; background: #dff5e3; font-weight: 600; }}
.beyond {{ text-decoration: line-through; opacity: .5; }}
.picture {{ color: #fff; background: #3267a8; border-radius: .2rem; padding: 0 .3rem; }}
.fault {{ color: #b00020; font-weight: 600; }}
</style></head><body>
<h1>{title}</h1>
<p><span class="learned">learned</span>, read only, <span class="picture">picture</span>,
<span class="beyond">cut off by the context</span>; a token's id shows when the pointer rests on it.</p>
<pre>{table}</pre>
{samples}
</body></html>
"""
