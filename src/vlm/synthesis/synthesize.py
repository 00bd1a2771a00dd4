"""From captions and boxes to a data set, or to what is to be done before there is one."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vlm.corpus.pack import read_record
from vlm.corpus.write import Record
from vlm.endpoint.request import Request, hash_of
from vlm.synthesis.draft import Draft, Output, Rejected
from vlm.synthesis.funnel import Funnel
from vlm.synthesis.review import Draw
from vlm.synthesis.sift import Sieve, sift
from vlm.synthesis.survey import Source, survey
from vlm.synthesis.workbook import Workbook


class Synthesis:
    """A data set made from captions and boxes.

    Args:
        source: Of captions and boxes.
        sieve: Which replies become records.
        output: What is made.
    """

    def __init__(self, source: Source, sieve: Sieve, output: Output) -> None:
        self.source, self.sieve = source, sieve
        settings = hash_of([source.header(), _plain(sieve), output.name, output.licence])
        self.draft = Draft(output, "synthesis", settings)
        self.images = self.draft.work / "images" if source.format == "shapes" else source.images

    @contextmanager
    def opened(self) -> Iterator[Workbook]:
        """Give the workbook, with the source read into it.

        Raises:
            ValueError: Another process is at it, or the source cannot be read.
        """
        work = self.draft.work
        with self.draft.locked():
            workbook = Workbook(work / "work.sqlite", self.source.state())
            try:
                survey(self.source, workbook, work / "images")
                yield workbook
            finally:
                workbook.close()

    def requests(self, workbook: Workbook) -> Iterator[Request]:
        """Yield all requests, keyed by their hashes: for every picture one of each kind."""
        for context in workbook.contexts():
            for kind in self.sieve.prompts:
                yield self.sieve.request(kind, context)

    def make(self, workbook: Workbook) -> Funnel:
        """Write the data set from the replies that are kept, in place of one that lacked some."""
        sieve = self.sieve
        funnel = Funnel(dict.fromkeys(sieve.prompts, workbook.count), workbook.rules)
        draw = Draw(self.draft.output.show, sieve.seed)

        def items(folder: Path) -> Iterator[Record | Rejected]:
            accepted = 0
            for one in sift(workbook, sieve, funnel, draw, self.images):
                yield one if isinstance(one, Rejected) else self._pack(accepted, one, folder)
                accepted += not isinstance(one, Rejected)

        self.draft.write(items, funnel, draw, lambda: self._details(funnel))
        return funnel

    def _pack(self, number: int, content: dict[str, Any], folder: Path) -> Record:
        if self.images is None:
            return Record(content["id"], content, {})
        if self.source.format == "shapes":  # its pictures lie nowhere else as files
            target = folder / "images" / content["image"]
            target.parent.mkdir(exist_ok=True)
            shutil.copyfile(self.images / content["image"], target)
        return read_record(number, content, self.images)

    def _details(self, funnel: Funnel) -> dict[str, Any]:
        sieve = self.sieve
        return {
            "base_url": sieve.base_url,
            "parameters": vars(sieve.parameters),
            "prompts": {kind: prompt.digest for kind, prompt in sieve.prompts.items()},
            "models": dict(funnel.models),
            "cost": funnel.cost,
        }


def _plain(sieve: Sieve) -> list[Any]:
    """Return what decides which records there are."""
    return [
        {kind: prompt.digest for kind, prompt in sieve.prompts.items()}, vars(sieve.parameters),
        sieve.base_url,
        vars(sieve.prices), vars(sieve.wanted), sieve.max_overlap, sieve.seed,
    ]  # fmt: skip
