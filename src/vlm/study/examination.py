"""A run's model, asked the benchmarks whose scores are not known yet."""

import io
import json
import time
from collections.abc import Callable
from typing import Any

from omegaconf import DictConfig
from PIL import Image

from vlm import ranks
from vlm.benchmark.evaluate import Evaluation, collect, prompt_hash, summarise
from vlm.benchmark.question import Question
from vlm.build import build_answerer, ready_to_answer
from vlm.build_benchmarks import build_protocol
from vlm.model.vision_language import VisionLanguageModel
from vlm.study.evidence import keep, upload
from vlm.study.scores import PlannedEvaluation
from vlm.tracking.base import Tracker
from vlm.tracking.provenance import provenance
from vlm.values import Quantization

Load = Callable[[], VisionLanguageModel]


class Examination:
    """Ask one model; every device of a group takes part, and the first keeps the record.

    Args:
        config: Of the sentence that asks.
        load: Returns the model, ready to answer.
        tracker: Keeps tables and files.
        run: Where in the tracker.
    """

    def __init__(self, config: DictConfig, load: Load, tracker: Tracker, run: str) -> None:
        self.config, self.load, self.tracker, self.tracking_run = config, load, tracker, run
        self._loaded: VisionLanguageModel | None = None

    @property
    def model(self) -> VisionLanguageModel:
        """The model on its device, loaded when it is first needed."""
        if self._loaded is None:
            self._loaded = ready_to_answer(self.config, self.load())
        return self._loaded

    def run(self, evaluations: list[PlannedEvaluation]) -> None:
        """Ask each benchmark, unless its scores are known."""
        for evaluation in evaluations:
            if ranks.agreed(evaluation.read() is None):
                self._evaluate(evaluation)

    def _evaluate(self, planned: PlannedEvaluation) -> None:
        config, started = self.config, time.monotonic()
        protocol = build_protocol(config)
        answerer = build_answerer(config, self.model, planned.benchmark.max_new_tokens)
        decoding = {
            **config.evaluation.decoding,
            "stop": list(config.evaluation.decoding.stop),
            "max_new_tokens": planned.benchmark.max_new_tokens,
            "precision": config.evaluation.precision.value,
            "seed": config.seed,
        }
        if config.evaluation.quantization is not Quantization.none:
            decoding["quantization"] = config.evaluation.quantization.value
        asked = prompt_hash(planned.benchmark.questions())
        journals = planned.answers(asked, decoding)
        said = collect(planned.benchmark, answerer.stream, protocol, journals, planned.name)
        if ranks.rank():
            ranks.agreed(None)
            return
        evaluation = summarise(planned.benchmark, said, protocol)
        how = planned.identity | {"prompt_hash": asked, "batch_size": protocol.batch_size}
        how |= {"decoding": decoding, "devices": ranks.world_size()}
        how |= {**planned.benchmark.provenance, **provenance()}
        keep(planned, evaluation, how, time.monotonic() - started)
        rows = _with_pictures(evaluation, config.evaluation.table_size)
        if rows:
            self.tracker.log_table(self.tracking_run, f"predictions/{planned.name}", rows)
        for path in (planned.path, planned.predictions, upload(planned, evaluation)):
            if path:
                self.tracker.log_artifact(self.tracking_run, path)
        ranks.agreed(None)  # the score is written: others may read it


def _with_pictures(evaluation: Evaluation, size: int) -> list[dict[str, Any]]:
    """Return rows of the table, spread over all kinds, each with its first picture."""
    chosen = range(0, len(evaluation.questions), max(1, len(evaluation.questions) // max(1, size)))
    return [
        {"image": _picture(evaluation.questions[number])}
        | {key: _cell(value) for key, value in _in_order(evaluation.predictions[number]).items()}
        for number in list(chosen)[:size]
    ]


def _in_order(row: dict[str, Any]) -> dict[str, Any]:
    """Return the row with what a reader looks for first."""
    first = {key: row[key] for key in ("question", "answer", "prediction", "score") if key in row}
    return first | row


def _picture(question: Question) -> Image.Image | str:
    return Image.open(io.BytesIO(question.pictures[0].read())) if question.pictures else ""


def _cell(value: Any) -> Any:
    """Return what a table can show: one with lists in some rows and words in others it cannot."""
    return value if isinstance(value, str | float | None) else json.dumps(value, ensure_ascii=False)
