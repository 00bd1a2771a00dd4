"""The model card: what a model is, how it came about, what it scores, and what may be done with it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from omegaconf import OmegaConf

from vlm.exchange.licences import Terms

FILE = "README.md"


@dataclass(frozen=True)
class SourceFacts:
    """One source of a stage's mixture.

    Args:
        licence: As the sentence says; None is unknown.
        samples: That its shards hold; None is unknown.
        drawn: Of these in the stage; None is unknown.
        content: Hash of its shards.
    """

    licence: str | None
    samples: int | None
    drawn: int | None
    content: str


@dataclass(frozen=True)
class StageFacts:
    """One stage.

    Args:
        name: As its YAML says.
        fingerprint: Of the run.
        settings: What learned, how fast, for how long: what to show, by name.
        sources: By name.
        provenance: When, by which code, with which versions.
    """

    name: str
    fingerprint: str
    settings: Mapping[str, Any]
    sources: Mapping[str, SourceFacts]
    provenance: Mapping[str, str]


@dataclass(frozen=True)
class ScoreFacts:
    """One metric of one benchmark.

    Args:
        benchmark: Its name.
        metric: Its name.
        value: The model's.
        interval: Its 95 % interval.
        questions: Asked.
        controls: What the same questions score without the picture, and so on, by name.
    """

    benchmark: str
    metric: str
    value: float
    interval: tuple[float, float] | None
    questions: int
    controls: Mapping[str, float]


@dataclass(frozen=True)
class CardFacts:
    """What a card is written from.

    Args:
        title: Of the model.
        kind: Of the export, in words.
        parts: What each part is, by name: class, source, licence.
        base_models: The hub's names of what it was made of.
        library: That loads it, as the hub calls it.
        stages: In the order in which they were trained; empty for a model that others trained.
        scores: Known ones.
        licences: What is written of each part and source, by what it is.
        verified: What the comparison with the exported folder came to.
        pictures: How pictures are prepared.
        usage: Lines of code or words that load it.
        remarks: What whoever uses it should know, a line each.
    """

    title: str
    kind: str
    parts: Mapping[str, Mapping[str, str]]
    base_models: Sequence[str]
    library: str
    stages: Sequence[StageFacts]
    scores: Sequence[ScoreFacts]
    licences: Mapping[str, str | None]
    verified: str
    pictures: str
    usage: Sequence[str]
    remarks: Sequence[str] = field(default=())


def render(facts: CardFacts) -> str:
    """Return the card, with the hub's front matter."""
    terms = Terms.read(facts.licences)
    sections = [
        _front(facts, terms),
        f"# {facts.title}",
        f"A vision-language model, exported as {facts.kind}. {facts.verified}.",
        *([_listed(facts.remarks)] if facts.remarks else []),
        "## Use",
        "\n".join(facts.usage),
        "## Parts",
        _table(
            ("part", "class", "from", "licence"),
            [(name, part["class"], part["source"], part["licence"]) for name, part in facts.parts.items()],
        ),
        f"Pictures are prepared so: {facts.pictures}.",
        "## Training",
        *(_stage(number, stage) for number, stage in enumerate(facts.stages, 1)),
        *([] if facts.stages else ["It was trained by others; their files do not say how."]),
        "## Scores",
        _scores(facts.scores),
        "## Licence",
        licence_text(terms),
        *_environment(facts.stages),
    ]
    return "\n\n".join(sections) + "\n"


def _front(facts: CardFacts, terms: Terms) -> str:
    licence = terms.hub()
    front: dict[str, Any] = {"license": licence}
    if licence == "other":
        front |= {"license_name": "composite", "license_link": f"{FILE}#licence"}
    front |= {
        "library_name": facts.library,
        "pipeline_tag": "image-text-to-text",
        "base_model": list(facts.base_models),
        "datasets": sorted({name for stage in facts.stages for name in stage.sources}),
        "tags": ["vision-language", "vlm"],
    }
    kept = {key: value for key, value in front.items() if value}
    return f"---\n{OmegaConf.to_yaml(OmegaConf.create(kept))}---"


def _stage(number: int, stage: StageFacts) -> str:
    settings = "\n".join(f"- {name}: {value}" for name, value in stage.settings.items())
    rows = [
        (
            name,
            _count(source.samples),
            _count(source.drawn),
            f"`{source.content[:16]}`",
            source.licence or "unknown",
        )
        for name, source in stage.sources.items()
    ]
    data = _table(("source", "samples", "drawn", "content", "licence"), rows)
    return f"### {number}. {stage.name} (`{stage.fingerprint}`)\n\n{settings}\n\n{data}"


def _count(number: int | None) -> str:
    return "unknown" if number is None else f"{number:,}"


def _scores(scores: Sequence[ScoreFacts]) -> str:
    if not scores:
        return "None are known."
    controls = list(dict.fromkeys(name for score in scores for name in score.controls))
    rows = [
        (
            score.benchmark,
            score.metric,
            f"{score.value:.4g}",
            "unknown" if score.interval is None else f"[{score.interval[0]:.4g}, {score.interval[1]:.4g}]",
            f"{score.questions:,}",
            *(f"{score.controls[name]:.4g}" if name in score.controls else "" for name in controls),
        )
        for score in scores
    ]
    header = ("benchmark", "metric", "score", "95 % interval", "questions", *controls)
    return f"{_table(header, rows)}\n\nIntervals are bootstrapped over pictures."


def licence_text(terms: Terms) -> str:
    """Return what the licences of all parts and sources say together."""
    of = _table(("what", "its licence"), list(terms.of.items()))
    lines = ["The model is subject to all of these at once.", of, commercial_text(terms)]
    asked = terms.obligations()
    if asked:
        what = [f"{obligation} ({', '.join(dict.fromkeys(names))})" for obligation, names in asked.items()]
        lines += ["Whoever passes it on must, so far as is known:", _listed(what)]
    lines.append("This is a summary; the licences' own texts hold.")
    return "\n\n".join(lines)


def commercial_text(terms: Terms) -> str:
    """Return whether commercial use can be said to be allowed."""
    against = terms.against_commercial_use()
    if against:
        reasons = _listed(f"{name}: {reason}" for name, reason in against.items())
        return f"**Commercial use:** this card cannot say that it is allowed.\n\n{reasons}"
    conditions = terms.conditions()
    if conditions:
        return f"**Commercial use:** no part forbids it, on these conditions:\n\n{_listed(conditions)}"
    return "**Commercial use:** no part forbids it."


def _environment(stages: Sequence[StageFacts]) -> list[str]:
    if not stages:
        return []
    keys = list(dict.fromkeys(key for stage in stages for key in stage.provenance))
    rows = [(key, *(stage.provenance.get(key, "") for stage in stages)) for key in keys]
    return ["## Environment", _table(("", *(stage.name for stage in stages)), rows)]


def _listed(lines: Any) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(str(cell).replace('|', '/') for cell in line)} |" for line in lines)
