"""The proof of cells: each at its real sizes and as a small twin; what cells have in common is done once."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf

from vlm.build import plan_model
from vlm.compose import Sentence
from vlm.quiet import quiet_libraries
from vlm.run.fingerprint import fingerprint
from vlm.sentence import PlannedStage, read_sentence, reads_twin_shards, sources
from vlm.study.prove.benchmarks import look_at_benchmarks
from vlm.study.prove.exporting import try_exports
from vlm.study.prove.files import as_published, look_for_files
from vlm.study.prove.lint import Level, Lint, one_line
from vlm.study.prove.proof import StageProof, ask, prove_stage
from vlm.study.prove.sizes import Sizes, size_up
from vlm.study.prove.templates import check_templates
from vlm.study.prove.twin import as_twin, make_small_world, shrink


@dataclass
class CellProof:
    """What was seen of a cell.

    Args:
        stages: Names, innermost first.
        sizes: Of these, by place, as far as they are known.
        proofs: Of these, as far as it came.
        known: Of each proof, whether an earlier cell has given it.
        answers: What the last stage said.
        exported: For whom its model was written, and read again as the same.
        lints: What is to be said of the cell.
        error: Why it does not run; None if it does.
        seconds: It took.
        identity: Equal for cells that train the same weights and ask them the same; None if it is not known.
    """

    stages: list[str] = field(default_factory=list)
    sizes: dict[int, Sizes] = field(default_factory=dict)
    proofs: list[StageProof] = field(default_factory=list)
    known: list[bool] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    exported: str = ""
    lints: list[Lint] = field(default_factory=list)
    error: str | None = None
    seconds: float = 0.0
    identity: str | None = None

    def fail(self, where: str, error: BaseException | str) -> None:
        """Note why it does not run, unless that is known."""
        said = error if isinstance(error, str) else one_line(error)
        self.error = self.error or f"{where}{said}"


def prove_cells(sentences: Sequence[Sentence]) -> Iterator[CellProof]:
    """Prove one cell after another, in a folder that is thrown away."""
    quiet_libraries()
    torch.set_num_threads(1)
    with TemporaryDirectory(prefix="vlm-prove-") as folder:
        prover = Prover(Path(folder))
        yield from map(prover, sentences)


class Prover:
    """Prove cells.

    Args:
        folder: Empty; of a small world and of runs.
    """

    def __init__(self, folder: Path) -> None:
        self.runs, self.world, self.aside = folder / "runs", folder / "world", folder / "again"
        self._known: dict[str, Any] = {}
        make_small_world(self.world)

    def __call__(self, sentence: Sentence) -> CellProof:
        """Prove one; what goes wrong is said, and stops no other."""
        started = time.monotonic()
        proof = CellProof()
        for step in (self._look, self._try):
            try:
                step(sentence, proof)
            except Exception as error:  # of any kind: a cell that fails is what is looked for
                proof.fail("", error)
        proof.lints = list(dict.fromkeys(proof.lints))
        proof.seconds = time.monotonic() - started
        return proof

    def _look(self, sentence: Sentence, proof: CellProof) -> None:
        """Look at the real run, of which nothing is built."""
        planned = read_sentence(as_twin(sentence.config, self.world))
        stages = list(planned.lineage())
        proof.stages = [stage.name for stage in stages]
        proof.identity = identify(sentence, planned)
        evaluation = sentence.config.evaluation
        proof.lints += self._once("benchmarks", evaluation, partial(_look_at_benchmarks, sentence.config))
        for place, stage in enumerate(stages):
            try:
                self._look_at(stage.config, place, sentence, proof)
            except Exception as error:
                proof.fail(f"stage {stage.name}: ", error)

    def _look_at(self, config: DictConfig, place: int, sentence: Sentence, proof: CellProof) -> None:
        config, notes = as_published(config)
        proof.lints += notes
        model = plan_model(config)
        parts = {part: config[part] for part in ("encoder", "llm")}
        proof.lints += self._once("files", parts, lambda: list(look_for_files(config, model)))
        proof.lints += check_templates(config, model, sentence.choices)
        proof.sizes[place] = self._once("sizes", _sized(config), partial(size_up, config, model))
        proof.lints += proof.sizes[place].lints

    def _try(self, sentence: Sentence, proof: CellProof) -> None:
        """Train the twins of its stages, and ask the last."""
        planned = read_sentence(shrink(as_published(sentence.config)[0], self.world, self.runs))
        for stage in planned.lineage():
            place = len(self._known)
            try:
                found = self._once("proof", stage.identity, partial(prove_stage, stage, self.aside))
            except Exception as error:
                proof.fail(f"stage {stage.name}: ", error)
                return
            proof.proofs.append(found)
            proof.known.append(place == len(self._known))
            proof.lints += weights_out_of_reach(stage.name, found)
            for fault in found.faults():
                proof.fail(f"stage {stage.name}: ", fault)
        asked = [planned.identity, _plain(planned.config.evaluation.decoding)]
        proof.answers = self._once("answers", asked, partial(ask, planned))
        try:
            exporting = partial(try_exports, sentence, planned, self.aside / "exported")
            proof.exported = self._once("export", planned.identity, exporting)
        except Exception as error:
            proof.fail("export: ", error)

    def _once(self, what: str, key: Any, do: Callable[[], Any]) -> Any:
        """Return what something gives, or raise what it raises, as it did when it was first done."""
        plain = _plain(key) if isinstance(key, DictConfig) else key
        name = f"{what} {json.dumps(plain, sort_keys=True, default=_plain)}"
        if name not in self._known:
            try:
                self._known[name] = do()
            except Exception as error:
                self._known[name] = error
        if isinstance(self._known[name], Exception):
            raise self._known[name]
        return self._known[name]


def identify(sentence: Sentence, planned: PlannedStage) -> str:
    """Return what cells have in common that train the same weights and ask them the same.

    Args:
        sentence: Its own.
        planned: The same, readable where data is missing: shards that are not there differ by their names.
    """
    missing = {
        f"{place}.{name}": source.shards
        for place, stage in enumerate(planned.lineage())
        for name, source in sources(stage.config).items()
        if reads_twin_shards(stage.config, name)
    }
    said = [planned.identity, missing, _plain(sentence.config.evaluation), sentence.config.twin]
    return fingerprint({"cell": json.loads(json.dumps(said, default=_plain))})


def weights_out_of_reach(stage: str, proof: StageProof) -> Iterator[Lint]:
    """Tell which weights learn, and are reached by no gradient, of parts that others of are."""
    for name, part in proof.parts.items():
        if part.without_gradient and len(part.without_gradient) < part.learning:
            yield Lint(
                Level.warning,
                f"stage {stage}: no gradient reaches {len(part.without_gradient)} of {part.learning} weights "
                f"of the {name} that learn, {part.without_gradient[0]} among them",
            )


def identical_cells(names: Sequence[Any], proofs: Sequence[CellProof]) -> Iterator[Lint]:
    """Find cells that others repeat."""
    alike: dict[str, list[int]] = {}
    for number, proof in enumerate(proofs, start=1):
        if proof.identity:
            alike.setdefault(proof.identity, []).append(number)
    for first, *others in alike.values():
        if others:
            yield Lint(
                Level.error,
                f"cells {', '.join(map(str, [first, *others]))} are identical: they train the same weights "
                f"and ask them the same ({names[first - 1]}; {names[others[0] - 1]}); drop the axis "
                "that tells them apart",
            )


def _plain(node: Any) -> Any:
    return OmegaConf.to_container(node, resolve=True, enum_to_str=True)


def _look_at_benchmarks(config: DictConfig) -> list[Lint]:
    return list(look_at_benchmarks(config))


def _sized(config: DictConfig) -> dict[str, Any]:
    """Return what the sizes of a stage depend on."""
    nodes = ("encoder", "projector", "llm", "adapter", "stage", "mixture", "trainer")
    return {node: config[node] for node in nodes} | {"parity": config.parity.value}
