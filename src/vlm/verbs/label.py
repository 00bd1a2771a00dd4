"""vlm label: ask a trained model about pictures, and make a source of the answers that hold.

  vlm label shards=GLOB|images=DIR output=DIR [WORDS OF THE SENTENCE] key=value ...

asked   shards=GLOB    or [GLOB,GLOB]: samples, and their questions, each by itself (turns=first: only the
                       first of each). Answers that they have are not read, but for the account, which says
                       how many are right
        images=DIR     pictures, at any depth, with question=
        [question=TEXT: is asked about each picture]  [limit=null: pictures at most]
model   [WORDS]        that trained it, as vlm serve takes them; or run=MODEL [base=DIR]; it is served for as
                       long as it is asked
        model=NAME [base_url=https://api.openai.com/v1] [api_key_variable=OPENAI_API_KEY; null: no key is
                       wanted]: any OpenAI-compatible endpoint in its place
        [replies=5: the likeliest, and others drawn at temperature=1.0] [max_tokens=64]
        [timeout_s=120] [max_retries=8] [concurrency=32] [requests_per_minute=null] [tokens_per_minute=null]
        [cache=cache/replies] [input_price=0] [output_price=0] [budget=null: beyond it nothing is sent]
kept    the reply that is most like the others of its question (ROUGE-L; in one word: the most frequent), if
        [min_agreement=0.6: how much so, on average] [min_confidence=0.5: geometric mean of its tokens'
        probabilities] [max_words=200] and if it contradicts nothing that is known:
        [objects=FILE: what is boxed in the pictures; objects_format=lines|coco] [synonyms=FILE, as CHAIR's]
output  [source=labelled: prefix of the shards] [licence=unknown] [samples_per_shard=1000]
        [show=24: on the review page]

The output holds llava.json and shards, each record with agreement and confidence of its answers; funnel.md
and funnel.json, what became of every question; rejected.jsonl; and review.html. Mix it in as a source:
  vlm train +mixture.labelled.shards='DIR/*.tar'

Replies are kept on disk before they count: what was killed, or stopped by Ctrl-C, goes on with the same
command and asks nothing twice. The exit status is 0 if every question has its replies and something was
accepted, 1 if not, 2 if the words are wrong or the model cannot be asked.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlm.options import MISSING, parse_options, split_options
from vlm.synthesis.asking import OPENAI, SERVED, EndpointOptions, Ours, ask_missing, check_endpoint

if TYPE_CHECKING:
    from vlm.labelling.known import Known
    from vlm.labelling.label import Labelling
    from vlm.labelling.questions import Questions
    from vlm.synthesis.ledger import Ledger


@dataclass
class Label(EndpointOptions):
    """The words of `vlm label` that are no part of a sentence."""

    output: str = MISSING
    shards: Any = None
    images: str | None = None
    question: str | None = None
    turns: str = "all"
    limit: int | None = None
    run: str | None = None
    base: str | None = None
    model: str | None = None
    replies: int = 5
    temperature: float = 1.0
    max_tokens: int = 64
    concurrency: int = 32
    min_agreement: float = 0.6
    min_confidence: float = 0.5
    max_words: int = 200
    objects: str | None = None
    objects_format: str = "lines"
    synonyms: str | None = None
    source: str = "labelled"
    licence: str = "unknown"
    samples_per_shard: int = 1000
    show: int = 24


def run(words: Sequence[str]) -> int:
    """Make a source, or go on making it.

    Raises:
        ValueError: The words do not go together, or the model cannot be asked.
    """
    own, sentence = split_options(Label, words)
    options = parse_options(Label, own)
    _check(options, sentence)
    model = None if options.model else _ours(options, sentence)
    labelling = _plan(options, model.name if model else str(options.model))
    if labelling.draft.is_done:
        print(f"{options.output} is there, and nothing is missing")
        return 0
    if options.objects:
        _say_what_is_known(options.objects, labelling)
    with labelling.opened() as ledger:
        status = ask_missing(options, labelling.requests, ledger, labelling.teacher.cache, model)
        return status or _make(options, labelling, ledger)


def _check(options: Label, sentence: Sequence[str]) -> None:
    """Hold the words to their limits and to each other.

    Raises:
        ValueError: They are beyond them, or do not go together.
    """
    check_endpoint(options, options.max_tokens)
    if bool(options.shards) == bool(options.images):
        raise ValueError("say what is asked about: shards=GLOB or images=DIR, one of both")
    if options.images and not options.question:
        raise ValueError(f"images={options.images} needs question=TEXT, which is asked about each picture")
    if options.question and options.turns != "all":
        raise ValueError(f"turns={options.turns} has no effect: question= is asked in place of the samples'")
    if options.model and (sentence or options.run):
        raise ValueError(f"{' '.join(sentence) or 'run='} has no effect: model={options.model} is asked")
    if options.base_url != OPENAI and not options.model:
        raise ValueError(f"base_url={options.base_url} needs model=NAME, as that endpoint calls it")
    if options.limit is not None and options.limit < 1:
        raise ValueError(f"limit must be at least 1, or null for all; got {options.limit}")
    if options.synonyms and not options.objects:
        raise ValueError(f"synonyms={options.synonyms} goes with objects=FILE")


def _ours(options: Label, sentence: Sequence[str]) -> Ours:
    from vlm.study.asked import ours  # noqa: PLC0415 (torch takes seconds)

    return ours(options.run, options.base, sentence)


def _plan(options: Label, model: str) -> "Labelling":
    from vlm.endpoint.budget import Prices  # noqa: PLC0415 (openai and webdataset: two seconds)
    from vlm.endpoint.cache import Cache  # noqa: PLC0415
    from vlm.labelling.acceptance import Criteria  # noqa: PLC0415
    from vlm.labelling.label import Labelling  # noqa: PLC0415
    from vlm.labelling.teacher import Teacher  # noqa: PLC0415
    from vlm.synthesis.draft import Output  # noqa: PLC0415

    teacher = Teacher(
        model,
        options.base_url.rstrip("/") if options.model else SERVED,
        options.replies,
        options.temperature,
        options.max_tokens,
        Cache(Path(options.cache)),
        Prices(options.input_price, options.output_price),
    )
    criteria = Criteria(options.min_agreement, options.min_confidence, options.max_words, _known(options))
    output = Output(
        Path(options.output), options.source, options.licence, options.samples_per_shard, options.show
    )
    return Labelling(_questions(options), teacher, criteria, output)


def _questions(options: Label) -> "Questions":
    from vlm.labelling.questions import FolderQuestions, ShardQuestions  # noqa: PLC0415

    if options.shards:
        patterns = options.shards if isinstance(options.shards, list) else [str(options.shards)]
        return ShardQuestions(patterns, options.question, options.turns, options.limit)
    assert options.images
    assert options.question
    return FolderQuestions(Path(options.images), options.question, options.limit)


def _known(options: Label) -> "Known | None":
    from vlm.corpus.objects.annotations import read_coco, read_lines  # noqa: PLC0415
    from vlm.corpus.objects.words import read_words  # noqa: PLC0415
    from vlm.labelling.known import Known  # noqa: PLC0415

    if options.objects is None:
        return None
    readers = {"lines": read_lines, "coco": read_coco}
    if options.objects_format not in readers:
        raise ValueError(f"objects_format must be {' or '.join(readers)}, got {options.objects_format}")
    pictures = readers[options.objects_format](options.objects)
    synonyms = read_words(options.synonyms, Path(options.synonyms).read_text()) if options.synonyms else {}
    return Known(pictures, synonyms)


def _say_what_is_known(objects: str, labelling: "Labelling") -> None:
    """Say of how many pictures something is known.

    Raises:
        ValueError: Of none.
    """
    known, total = labelling.count_known()
    if not known:
        first = next(iter(labelling.questions)).image
        raise ValueError(
            f"objects={objects} knows none of the {total} pictures; it must name them as their records do, "
            f"as in {first}"
        )
    print(f"{objects} says what is in {known} of {total} pictures", flush=True)


def _make(options: Label, labelling: "Labelling", ledger: "Ledger") -> int:
    funnel, count = labelling.make(ledger)
    print(*funnel.lines(), sep="\n")
    print(f"{options.output}: {count} records")
    if funnel.is_complete:
        labelling.draft.clear()
    else:
        print("some questions have no reply; the same command asks for these alone")
    return 0 if funnel.is_complete and funnel.accepted else 1
