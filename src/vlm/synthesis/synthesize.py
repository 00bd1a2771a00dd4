"""From captions and boxes to a data set, or to what is to be done before there is one."""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from vlm.corpus.pack import read_record
from vlm.corpus.write import Record, whole_folder, write_shards
from vlm.data.index import MANIFEST
from vlm.endpoint.request import Request, hash_of
from vlm.run.folder import write_json
from vlm.synthesis.funnel import Funnel
from vlm.synthesis.review import Draw, to_page
from vlm.synthesis.sift import Rejected, Sieve, sift
from vlm.synthesis.survey import Source, survey
from vlm.synthesis.workbook import Workbook

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


class Synthesis:
    """A data set in the making.

    Between commands, what was read lies in a folder beside the output, and replies lie in the cache, so what
    was killed goes on where it was. The output appears when everything that can be asked has been. If
    something is missing then (a budget was too small, a request failed), the same command makes it anew.

    Args:
        source: Of captions and boxes.
        sieve: Which replies become records.
        output: What is made.
    """

    def __init__(self, source: Source, sieve: Sieve, output: Output) -> None:
        self.source, self.sieve, self.output = source, sieve, output
        self.work = output.folder.parent / f".{output.folder.name}-synthesis"
        self.images = self.work / "images" if source.format == "shapes" else source.images
        self._settings = hash_of([source.header(), _plain(sieve), output.name, output.licence])

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
        made = json.loads(manifest.read_text()).get("synthesis") if manifest.is_file() else None
        if made is None or made["settings"] != self._settings:
            what = "is not empty" if made is None else "was made of other words, or another source"
            raise ValueError(f"output={folder} {what}; choose another folder or delete it")
        return bool(made["complete"])

    @contextmanager
    def opened(self) -> Iterator[Workbook]:
        """Give the workbook, with the source read into it.

        Raises:
            ValueError: Another process is at it, or the source cannot be read.
        """
        self.work.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.work / "lock")
        try:
            with lock.acquire(timeout=0):
                workbook = Workbook(self.work / "work.sqlite", self.source.state())
                try:
                    survey(self.source, workbook, self.work / "images")
                    yield workbook
                finally:
                    workbook.close()
        except Timeout as error:
            raise ValueError(f"output={self.output.folder} is being made by another process") from error

    def requests(self, workbook: Workbook) -> Iterator[Request]:
        """Yield all requests, keyed by their hashes: for every picture one of each kind."""
        for context in workbook.contexts():
            for kind in self.sieve.prompts:
                yield self.sieve.request(kind, context)

    def make(self, workbook: Workbook) -> Funnel:
        """Write the data set from the replies that are kept, in place of one that lacked some."""
        target, before = self.output.folder, self.work / "before"
        funnel = Funnel(list(self.sieve.prompts), workbook.count, workbook.rules)
        if target.exists() and any(target.iterdir()):
            shutil.rmtree(before, ignore_errors=True)
            target.replace(before)
        try:
            with whole_folder(target) as partial:
                self._write(workbook, funnel, partial)
        except BaseException:
            if before.exists():
                before.replace(target)
            raise
        shutil.rmtree(before, ignore_errors=True)
        return funnel

    def clear(self) -> None:
        """Delete what lies beside the output; the cache of replies stays."""
        shutil.rmtree(self.work, ignore_errors=True)

    def _write(self, workbook: Workbook, funnel: Funnel, folder: Path) -> None:
        draw = Draw(self.output.show, self.sieve.seed)
        records = self._records(workbook, funnel, draw, folder)
        if self.images is None:
            shards: list[dict[str, Any]] = []
            for _ in records:  # without pictures there is nothing to pack, but the JSON is written
                pass
        else:
            packed = (self._pack(number, content, folder) for number, content in enumerate(records))
            shards = list(write_shards(packed, folder, self.output.name, self.output.samples_per_shard))
        funnel.check()
        lines = list(funnel.lines())
        write_json(folder / f"{ACCOUNT}.json", funnel.content())
        (folder / f"{ACCOUNT}.md").write_text("\n".join(lines) + "\n", "utf-8")
        (folder / PAGE).write_text(to_page(self.output.name, lines, list(draw)), "utf-8")
        write_json(folder / MANIFEST, self._manifest(funnel, shards))

    def _records(
        self, workbook: Workbook, funnel: Funnel, draw: Draw, folder: Path
    ) -> Iterator[dict[str, Any]]:
        """Write records and what was rejected as they come; yield the records."""
        separator = "[\n"
        with (
            (folder / RECORDS).open("w", encoding="utf-8") as kept,
            (folder / REJECTED).open("w", encoding="utf-8") as rejected,
        ):
            for one in sift(workbook, self.sieve, funnel, draw, self.images):
                if isinstance(one, Rejected):
                    rejected.write(json.dumps(vars(one), ensure_ascii=False) + "\n")
                    continue
                kept.write(f"{separator}{json.dumps(one, ensure_ascii=False)}")
                separator = ",\n"
                yield one
            kept.write("[]\n" if separator == "[\n" else "\n]\n")

    def _pack(self, number: int, content: dict[str, Any], folder: Path) -> Record:
        assert self.images is not None
        if self.source.format == "shapes":  # its pictures lie nowhere else as files
            target = folder / "images" / content["image"]
            target.parent.mkdir(exist_ok=True)
            shutil.copyfile(self.images / content["image"], target)
        return read_record(number, content, self.images)

    def _manifest(self, funnel: Funnel, shards: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        sieve = self.sieve
        return {
            "name": self.output.name,
            "licence": self.output.licence,
            "count": funnel.accepted,
            "skipped": 0,
            "shards": list(shards),
            "synthesis": {
                "complete": funnel.is_complete,
                "settings": self._settings,
                "base_url": sieve.base_url,
                "parameters": vars(sieve.parameters),
                "prompts": {kind: prompt.digest for kind, prompt in sieve.prompts.items()},
                "models": dict(funnel.models),
                "cost": funnel.cost,
            },
        }


def _plain(sieve: Sieve) -> list[Any]:
    """Return what decides which records there are."""
    return [
        {kind: prompt.digest for kind, prompt in sieve.prompts.items()}, vars(sieve.parameters),
        sieve.base_url,
        vars(sieve.prices), vars(sieve.wanted), sieve.max_overlap, sieve.seed,
    ]  # fmt: skip
