"""What is known of a model, for its card and its manifest."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from vlm.config import PARTS
from vlm.data.image import ImageTransform
from vlm.encoder.open_clip import OpenCLIPEncoder
from vlm.exchange.card import CardFacts, ScoreFacts, SourceFacts, StageFacts
from vlm.exchange.to_llava import PUBLISHED
from vlm.exchange.verify import Verified
from vlm.model.vision_language import VisionLanguageModel
from vlm.part import Part
from vlm.run.fingerprint import fingerprint
from vlm.run.trace import read_trace
from vlm.sentence import PlannedStage, sources
from vlm.study.exported.plan import Extent, Format, Plan
from vlm.study.exported.usage import usage
from vlm.study.scores import scores_of
from vlm.tracking.provenance import provenance
from vlm.values import Learning

HUB_NAME = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
LIBRARIES: Mapping[Format, str] = {
    Format.huggingface: "transformers", Format.llava: "llava", Format.parts: "vlm",
}  # fmt: skip
PICTURES: Mapping[str, str] = {
    "crop": "the shortest side to {size} pixels, then the center",
    "pad": "padded to a square in the encoder's mean color, then to {size} pixels",
    "resize": "to {size} pixels both ways, the ratio lost",
    "anyres": "the whole at {size} pixels, and tiles of {size} pixels of a grid that suits it",
}
PROCESSORS: Mapping[str, str] = {
    "crop": "transformers' CLIP processor does the same",
    "pad": "transformers' LlavaImageProcessor does the same (`do_pad`); versions without it would crop",
    "resize": "transformers' CLIP processor does the same",
    "anyres": "transformers' LLaVA-NeXT processor does the same",
}


def describe(
    plan: Plan, model: VisionLanguageModel, transform: ImageTransform, output: Path
) -> Callable[[Verified], CardFacts]:
    """Return what makes the facts of a card, once it is known what the comparison came to."""
    stages = [] if plan.named.is_foreign else [_stage(stage, plan) for stage in plan.planned.lineage()]
    return partial(
        _facts, plan, _parts(model), _base_models(model), stages, _pictures(plan, transform), output.name
    )


def _facts(
    plan: Plan,
    parts: Mapping[str, Mapping[str, str]],
    base_models: list[str],
    stages: list[StageFacts],
    pictures: str,
    name: str,
    verified: Verified,
) -> CardFacts:
    return CardFacts(
        title=name,
        kind=f"{plan.extent.value} (format={plan.format.value})",
        parts=parts,
        base_models=base_models,
        library=LIBRARIES[plan.format],
        stages=stages,
        scores=list(_scores(plan)),
        licences=_licences(plan, parts, stages),
        verified=f"Read again from this folder it was held to the original: {verified}",
        pictures=pictures,
        usage=usage(plan, name),
        remarks=[*plan.remarks, *_limits(plan, verified)],
    )


def _parts(model: VisionLanguageModel) -> dict[str, dict[str, str]]:
    described = {}
    for name in PARTS:
        part = model.get_submodule(name)
        source, licence = "trained", "that of all that it was trained with"
        if isinstance(part, Part):  # a projector is published nowhere
            source, licence = part.source, part.licence
        # Where it lies on somebody's machine is nobody else's business.
        source = Path(source).name if Path(source).exists() else source
        described[name] = {"class": type(part).__name__, "source": source, "licence": licence}
    return described


def _base_models(model: VisionLanguageModel) -> list[str]:
    encoder = model.encoder
    named = (
        PUBLISHED.get(str(encoder.architecture), "")
        if isinstance(encoder, OpenCLIPEncoder)
        else encoder.source
    )
    return [
        name for name in (named, model.llm.source) if HUB_NAME.fullmatch(name) and not Path(name).exists()
    ]


def _stage(stage: PlannedStage, plan: Plan) -> StageFacts:
    done = stage.folder.read_manifest() if stage.folder.is_finished else {}
    trace = read_trace(stage.folder.trace)
    start = trace.starts[0] if trace and trace.starts else {}
    settings, optimizer = stage.config.stage, stage.config.stage.optimizer
    adapter = stage.config.adapter if Learning.adapter in settings.learns.values() else {}
    shown = {
        "learns": ", ".join(f"{part} {how.value}" for part, how in settings.learns.items()),
        "adapter": ", ".join(f"{key} {value}" for key, value in adapter.items() if key != "_target_"),
        "learning rate": (
            f"{optimizer.learning_rate:g}, {optimizer.schedule.value}, warm-up {optimizer.warmup_fraction:g}"
        ),
        "rates of parts": ", ".join(
            f"{part} {optimizer[part].learning_rate:g}" for part in PARTS if optimizer[part].learning_rate
        ),
        "batch": f"{settings.batch_size} samples",
        "steps": done.get("steps") or (f"{plan.named.step}, unfinished" if stage is plan.planned else None),
        "seed": stage.config.seed,
        "precision": stage.config.trainer.precision,
        "last loss": f"{done['last_loss']:.4g}" if done.get("last_loss") else None,
        "hours": f"{done['seconds'] / 3600:.3g}" if done.get("seconds") else None,
    }
    kept = {name: value for name, value in shown.items() if value not in (None, "")}
    return StageFacts(
        stage.name,
        fingerprint(stage.identity),
        kept,
        dict(_sources(stage, start.get("sources", {}))),
        done.get("provenance") or start.get("provenance", {}),
    )


def _sources(
    stage: PlannedStage, counts: Mapping[str, Mapping[str, int]]
) -> Iterator[tuple[str, SourceFacts]]:
    for name, source in sources(stage.config).items():
        counted = counts.get(name, {})
        content = stage.identity["mixture"].get(name, {}).get("content", "unknown")
        yield name, SourceFacts(source.licence, counted.get("samples"), counted.get("drawn"), content)


def _scores(plan: Plan) -> Iterator[ScoreFacts]:
    """Yield the metrics of every evaluation of the run that is known, each benchmark's headline first."""
    folder = scores_of(plan.planned, plan.named.step)
    for path in sorted(folder.glob("*-*.json")):
        known = json.loads(path.read_text())
        if "score" not in known:
            continue
        score, name = known["score"], path.stem.rpartition("-")[0]
        ordered = sorted(score["metrics"], key=lambda metric: (metric != score["headline"], metric))
        for metric in ordered:
            interval = score["intervals"].get(metric)
            controls = {
                control: its["metrics"][metric]
                for control, its in known.get("controls", {}).items()
                if metric in its["metrics"]
            }
            yield ScoreFacts(
                name,
                metric,
                score["metrics"][metric],
                (interval[0], interval[1]) if interval else None,
                score["counts"]["questions"],
                controls,
            )


def _licences(
    plan: Plan, parts: Mapping[str, Mapping[str, str]], stages: list[StageFacts]
) -> dict[str, str | None]:
    """Return what is written of the licence of everything that the model was made of."""
    texts: dict[str, str | None] = {name: parts[name]["licence"] for name in ("encoder", "llm")}
    if plan.named.is_foreign:
        return texts | {"what others trained it with": None}
    if plan.planned.config.projector.weights != "random":
        texts["what the projector had been trained with"] = None
    for stage in stages:
        for name, source in stage.sources.items():
            texts[f"data {stage.name}/{name}"] = source.licence
    return texts


def _pictures(plan: Plan, transform: ImageTransform) -> str:
    text = PICTURES[transform.mode].format(size=transform.size)
    return f"{text}; {PROCESSORS[transform.mode]}" if plan.format is Format.huggingface else text


def _limits(plan: Plan, verified: Verified) -> Iterator[str]:
    if verified.pixels:
        yield (
            f"transformers' default processor resizes by torchvision, which moves channels by up to "
            f'{verified.pixels:.1f} of 255; AutoImageProcessor.from_pretrained(..., backend="pil") is exact.'
        )
    if plan.format is Format.llava:
        yield (
            "LLaVA's own code goes by the folder's name: it must hold `llava`"
            + (", and `lora`" if plan.extent is Extent.adapter else "")
            + "; vlm does not look at it."
        )
        if not plan.has_published_tower:
            yield (
                "Its tower is in the folder `vision_tower`; LLaVA's own code finds it if it is started in "
                "this folder."
            )


def manifest_of(plan: Plan, model: VisionLanguageModel, transform: ImageTransform) -> dict[str, Any]:
    """Return what a folder of parts says of itself: what its run says, and whose it is."""
    planned = plan.planned
    exported = {"run": planned.folder.path.name, "step": plan.named.step, "provenance": provenance()}
    if planned.folder.is_finished and plan.named.step is None:
        return {**planned.folder.read_manifest(), "exported": exported}
    return {
        "identity": {"after": None, **planned.identity},
        "template": vars(model.llm.template) | {"class": type(model.llm.template).__name__},
        "image": vars(transform),
        "provenance": provenance(),
        "exported": exported,
    }
