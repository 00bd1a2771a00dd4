"""vlm evaluate: score what a model says to benchmarks.

vlm evaluate [WORDS OF THE SENTENCE] [checkpoint=last|best|STEP]
    the finished run of a sentence, on its benchmarks; nothing is trained, and no question is asked twice
vlm evaluate [WORDS] benchmark=NAME[,NAME] [data=DIR]
    on these benchmarks, whose files are in DIR, or in paths.data/NAME
vlm evaluate run=MODEL [base=DIR] benchmark=NAME[,NAME] [data=DIR] [WORDS]
    a model that is named: a run's folder, a run of the tracker by its id, or a folder as LLaVA or
    transformers writes it; base is the LLM of a folder that holds a projector or a LoRA adapter only
vlm evaluate answers=FILE benchmark=NAME [data=DIR] [incomplete=true] [output=DIR] [WORDS]
    answers that anybody has made, without a model: LLaVA's jsonl, lmms-eval's samples, or {"id": "answer"};
    incomplete=true counts what is missing as wrong, and of ids that come twice the first

judge=openai [judge.model=MODEL] [judge.base_url=URL] grades what rules cannot, by any OpenAI-compatible
endpoint. Options of a benchmark are words, too: evaluation.benchmarks.NAME.KEY=VALUE.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from vlm import ranks
from vlm.compose import Sentence, compose_sentence
from vlm.corpus.generate import ensure_benchmarks, ensure_sources
from vlm.options import parse_options
from vlm.paths import config_dir
from vlm.sentence import PlannedStage, read_sentence
from vlm.study.scores import PlannedEvaluation, describe, plan_evaluations, plan_in, scores_of
from vlm.study.states import find_state
from vlm.verbs.train import needs_group


@dataclass
class Evaluate:
    """The words of `vlm evaluate` that are no part of a sentence."""

    benchmark: str | None = None
    data: str | None = None
    answers: str | None = None
    incomplete: bool = False
    output: str | None = None
    judge: str | None = None
    run: str | None = None
    base: str | None = None


def run(words: Sequence[str]) -> int:
    """Score the finished run of the sentence, or given answers.

    Raises:
        ValueError: The sentence has not been trained, or names no benchmark; answers do not fit.
    """
    asked, chosen, rest = split_words(words)
    chosen += rest
    if asked.run:
        return _ask_named(asked, chosen)
    sentence = compose_sentence(chosen)
    _require_benchmarks(sentence)
    if asked.answers:
        return _score_given(sentence, asked)
    ensure_sources(sentence.config)
    return _ask(sentence, chosen, list(words))


def split_words(words: Sequence[str]) -> tuple[Evaluate, list[str], list[str]]:
    """Return the verb's own words, the words of a sentence that they stand for, and the other words.

    Raises:
        ValueError: They do not go together.
    """
    names = tuple(f"{name}=" for name in Evaluate.__dataclass_fields__)
    asked: Evaluate = parse_options(Evaluate, [word for word in words if word.startswith(names)])
    if asked.answers and asked.run:
        raise ValueError(f"answers={asked.answers} needs no model; leave run={asked.run} out")
    judges = [word for word in words if word.startswith("judge.")]
    rest = [word for word in words if not word.startswith((*names, "judge."))]
    return asked, choose_benchmarks(asked, judges), rest


def _require_benchmarks(sentence: Sentence) -> None:
    if not sentence.config.evaluation.benchmarks:
        raise ValueError("evaluation.benchmarks is empty; choose some: evaluation=shapes, benchmark=pope")


def choose_benchmarks(asked: Evaluate, judges: Sequence[str]) -> list[str]:
    """Return the words of a sentence that ask only the benchmarks that are named.

    Args:
        asked: The verb's own words.
        judges: `judge.KEY=VALUE`, of the judge of each benchmark that has one.

    Raises:
        ValueError: Something goes with one benchmark, and there is none or are several; or nothing is judged.
    """
    names = asked.benchmark.split(",") if asked.benchmark else []
    for word in ("answers", "data"):
        if getattr(asked, word) and len(names) != 1:
            raise ValueError(f"{word}={getattr(asked, word)} goes with one benchmark; say benchmark=NAME")
    if not names:
        return []
    words = [f"+benchmark@evaluation.benchmarks.{name}={name}" for name in names]
    words += [f"evaluation.benchmarks.{name}.folder={asked.data}" for name in names if asked.data]
    judged = [name for name in names if _is_judged(name)]
    told = [f"judge={asked.judge}"] if asked.judge else []
    if [*told, *judges] and not judged:
        raise ValueError(f"{[*told, *judges][0]} has no effect: {', '.join(names)} is judged by rules")
    for name in judged:
        words += [f"judge@evaluation.benchmarks.{name}.judge={asked.judge}"] if asked.judge else []
        words += [f"evaluation.benchmarks.{name}.{word}" for word in judges]
    return ["evaluation=chosen", *words]


def _is_judged(benchmark: str) -> bool:
    path = config_dir() / f"benchmark/{benchmark}.yaml"
    return path.is_file() and "/judge@judge" in path.read_text()


def _score_given(sentence: Sentence, asked: Evaluate) -> int:
    from vlm.study.given import score_given  # noqa: PLC0415 (numpy's kin take a second)

    assert asked.answers
    ensure_benchmarks(sentence.config)
    output = Path(asked.output) if asked.output else None
    lines = score_given(sentence.config, Path(asked.answers), asked.incomplete, output)
    print(*lines, sep="\n")
    return 0


def _ask(sentence: Sentence, words: list[str], said: list[str]) -> int:
    """Ask the run of a sentence whatever is not known yet."""
    planned = read_sentence(sentence.config)
    step = find_state(planned, sentence.config.checkpoint) if sentence.config.checkpoint else None
    if step is None and not planned.folder.is_finished:
        raise ValueError(f"{planned.folder} is not trained; run: vlm train {' '.join(said)}".rstrip())
    evaluations = plan_evaluations(planned, step)

    def ask() -> None:
        from vlm.study.cell import Cell  # noqa: PLC0415 (torch takes seconds)
        from vlm.study.stage import load_model  # noqa: PLC0415

        cell = Cell(sentence, planned, said)
        if step is None:
            cell.run()
        else:
            cell.score(evaluations, partial(load_model, planned, step), f"{planned.name} at step {step}")

    return _ask_unless_known(sentence, planned, evaluations, ask, words)


def _ask_named(asked: Evaluate, words: list[str]) -> int:
    """Ask a model that is named, not composed."""
    from vlm.study.cell import Cell  # noqa: PLC0415
    from vlm.study.named import open_named  # noqa: PLC0415

    assert asked.run
    named = open_named(asked.run, asked.base, words)
    ensure_benchmarks(named.sentence.config)
    _require_benchmarks(named.sentence)
    evaluations = plan_in(named.sentence.config, scores_of(named.planned, named.step))
    own = [f"{key}={getattr(asked, key)}" for key in ("run", "base") if getattr(asked, key)]

    def ask() -> None:
        Cell(named.sentence, named.planned, own).score(evaluations, named.load, own[0])

    return _ask_unless_known(named.sentence, named.planned, evaluations, ask, [*own, *words])


def _ask_unless_known(
    sentence: Sentence,
    planned: PlannedStage,
    evaluations: list[PlannedEvaluation],
    ask: Callable[[], None],
    words: list[str],
) -> int:
    """Ask what is not known, on all devices, and say what is known then."""
    if all(evaluation.read() for evaluation in evaluations):
        print(f"{planned.folder}: scores are known; nothing to ask")
    elif needs_group(sentence.config):
        from vlm.study.launch import launch  # noqa: PLC0415

        return launch(sentence.config, words, verb="evaluate")
    else:
        ask()
    if not ranks.rank():
        for evaluation in evaluations:
            print(*describe(evaluation), sep="\n")
    return 0
