"""A data set in the making: it appears whole, with an account of what became of everything."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from vlm.corpus.write import Record, whole_folder, write_shards
from vlm.data.index import MANIFEST
from vlm.run.folder import write_json
from vlm.synthesis.funnel import Funnel
from vlm.synthesis.review import Draw, to_page

RECORDS, REJECTED, ACCOUNT, PAGE = "llava.json", "rejected.jsonl", "funnel", "review.html"


@dataclass(frozen=True)
class Output:
    """What is made.

    Args:
        folder: To make.
        name: Prefix of the shards.
        licence: Of pictures and texts, for the manifest.
        samples_per_shard: At most.
        show: Accepted replies on the review page.

    Raises:
        ValueError: A value is outside its range.
    """

    folder: Path
    name: str
    licence: str
    samples_per_shard: int
    show: int

    def __post_init__(self) -> None:
        for key, least in (("samples_per_shard", 1), ("show", 0)):
            if getattr(self, key) < least:
                raise ValueError(f"{key} must be at least {least}, got {getattr(self, key)}")


@dataclass(frozen=True)
class Rejected:
    """A reply that became no record.

    Args:
        key: Of its picture.
        kind: Of the reply.
        rule: Why.
        text: What the model said.
    """

    key: str
    kind: str
    rule: str
    text: str


class Draft:
    """A data set in the making.

    Replies lie in the cache, and what else is known between commands in a folder beside the output, so what
    was killed goes on where it was. The output appears when everything that can be asked has been. If
    something is missing then (a budget was too small, a request failed), the same command makes it anew.

    Args:
        output: What is made.
        maker: By which verb; its name in the manifest.
        settings: A hash of all that decides what is in it.

    Attributes:
        work: The folder beside the output.
    """

    def __init__(self, output: Output, maker: str, settings: str) -> None:
        self.output, self.maker, self.settings = output, maker, settings
        self.work = output.folder.parent / f".{output.folder.name}-{maker}"

    @property
    def is_done(self) -> bool:
        """Whether the output is there, of these settings, and nothing is missing.

        Raises:
            ValueError: Something else is there.
        """
        folder = self.output.folder
        if not folder.exists() or not any(folder.iterdir()):
            return False
        manifest = folder / MANIFEST
        made = json.loads(manifest.read_text()).get(self.maker) if manifest.is_file() else None
        if made is None or made["settings"] != self.settings:
            what = "is not empty" if made is None else "was made of other words, or another source"
            raise ValueError(f"output={folder} {what}; choose another folder or delete it")
        return bool(made["complete"])

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes out.

        Raises:
            ValueError: One is at it.
        """
        self.work.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(self.work / "lock").acquire(timeout=0):
                yield
        except Timeout as error:
            raise ValueError(f"output={self.output.folder} is being made by another process") from error

    def write(
        self,
        items: Callable[[Path], Iterator[Record | Rejected]],
        funnel: Funnel,
        draw: Draw,
        details: Callable[[], dict[str, Any]],
    ) -> int:
        """Write the data set, in place of one that lacked some; return its records.

        Args:
            items: From the folder to write in to what was accepted, and what was not. Records without
                pictures come into no shard.
            funnel: That counts them as they come.
            draw: That is offered them as they come.
            details: For the manifest, when all have come.
        """
        target, before = self.output.folder, self.work / "before"
        if target.exists() and any(target.iterdir()):
            shutil.rmtree(before, ignore_errors=True)
            target.replace(before)
        try:
            with whole_folder(target) as partial:
                count = self._write(items(partial), funnel, draw, details, partial)
        except BaseException:
            if before.exists():
                before.replace(target)
            raise
        shutil.rmtree(before, ignore_errors=True)
        return count

    def clear(self) -> None:
        """Delete what lies beside the output; the cache of replies stays."""
        shutil.rmtree(self.work, ignore_errors=True)

    def _write(
        self,
        items: Iterator[Record | Rejected],
        funnel: Funnel,
        draw: Draw,
        details: Callable[[], dict[str, Any]],
        folder: Path,
    ) -> int:
        output, kept = self.output, _Texts(folder)
        with_pictures = (record for record in kept.passed(items) if record.images)
        shards = list(write_shards(with_pictures, folder, output.name, output.samples_per_shard))
        funnel.check()
        lines = list(funnel.lines())
        write_json(folder / f"{ACCOUNT}.json", funnel.content())
        (folder / f"{ACCOUNT}.md").write_text("\n".join(lines) + "\n", "utf-8")
        (folder / PAGE).write_text(to_page(output.name, lines, list(draw)), "utf-8")
        made = {"complete": funnel.is_complete, "settings": self.settings, **details()}
        manifest = {
            "name": output.name, "licence": output.licence, "count": kept.count, "skipped": 0,
            "shards": shards, self.maker: made,
        }  # fmt: skip
        write_json(folder / MANIFEST, manifest)
        return kept.count


class _Texts:
    """The records as one JSON list, and the rejected replies a line each.

    Args:
        folder: To write in.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.count = folder, 0

    def passed(self, items: Iterator[Record | Rejected]) -> Iterator[Record]:
        """Write what comes; yield the records."""
        with (
            (self.folder / RECORDS).open("w", encoding="utf-8") as kept,
            (self.folder / REJECTED).open("w", encoding="utf-8") as rejected,
        ):
            for one in items:
                if isinstance(one, Rejected):
                    rejected.write(json.dumps(vars(one), ensure_ascii=False) + "\n")
                    continue
                separator = ",\n" if self.count else "[\n"
                kept.write(f"{separator}{json.dumps(one.content, ensure_ascii=False)}")
                self.count += 1
                yield one
            kept.write("\n]\n" if self.count else "[]\n")
