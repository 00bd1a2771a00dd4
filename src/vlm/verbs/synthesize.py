"""vlm synthesize: make instruction data with a language model, from captions and boxes; it sees no picture.

  vlm synthesize format=coco|shapes|json source=FILE|DIR output=DIR model=NAME|run=MODEL key=value ...

source  coco    captions_*.json, or a folder with it; boxes: the instances_*.json beside it, or boxes=FILE
        shapes  a world that vlm data shapes made
        json    a list, or an object a line: captions, caption or LLaVA's conversations; image, id; boxes,
                width, height
        [images=DIR: the pictures; without it no shards are written] [limit=null: pictures at most]
        [max_distance=4: bits of 64 in which the perceptual hashes of two pictures differ that are the same]
kinds   [kinds=[conversation,detail,reasoning]] [shots=null: examples at most]
        [prompts=DIR: files named as LLaVA's, in place of those of this package]
        [system_role=true; false: for a model that reads no system messages]
model   run=MODEL, one of ours, is served for as long as it is asked; or
        model=NAME [base_url=https://api.openai.com/v1] [api_key_variable=OPENAI_API_KEY; null: without]
        [temperature=null] [max_tokens=1024] [timeout_s=120] [max_retries=8] [concurrency=16]
        [requests_per_minute=null] [tokens_per_minute=null] [cache=cache/replies]
money   [input_price=0] [output_price=0], of a million tokens; [budget=null: beyond it nothing is sent]
files   requests=DIR writes OpenAI's Batch files of what has no reply yet, and asks nothing
        replies=GLOB reads the files that came back, asks nothing, and makes the set
filter  [min_words=8] [max_words=600] [language=en|any]
        [max_overlap=0.7: of the runs of five words of two texts; 1 keeps all] [seed=1]
output  [name=synthetic] [licence=unknown] [samples_per_shard=1000] [show=24: on the review page]

The output holds llava.json and shards (vlm train mixture=folder mixture.samples.shards='DIR/*.tar'), each
record with the model that answered, hashes of its prompt, date, tokens and cost; funnel.md and funnel.json,
what became of every picture and reply; rejected.jsonl; and review.html.

Replies are kept on disk before they count: what was killed, or stopped by Ctrl-C or by its budget, goes on
with the same command and pays for nothing twice. The exit status is 0 if every request has its reply and
something was accepted, 1 if not, 2 if the words are wrong or the endpoint refuses all.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from vlm.options import MISSING, parse_options
from vlm.synthesis.asking import OPENAI, SERVED, EndpointOptions, Ours, ask_missing, check_endpoint

if TYPE_CHECKING:
    from vlm.synthesis.synthesize import Synthesis
    from vlm.synthesis.workbook import Workbook


@dataclass
class Synthesize(EndpointOptions):
    """The words of `vlm synthesize`."""

    source: str = MISSING
    format: str = MISSING
    output: str = MISSING
    model: str | None = None
    run: str | None = None
    boxes: str | None = None
    images: str | None = None
    limit: int | None = None
    max_distance: int = 4
    kinds: list[str] = field(default_factory=lambda: ["conversation", "detail", "reasoning"])
    shots: int | None = None
    prompts: str | None = None
    system_role: bool = True
    temperature: float | None = None
    max_tokens: int | None = 1024
    requests: str | None = None
    replies: str | None = None
    min_words: int = 8
    max_words: int = 600
    language: str = "en"
    max_overlap: float = 0.7
    seed: int = 1
    name: str = "synthetic"
    licence: str = "unknown"
    samples_per_shard: int = 1000
    show: int = 24


def run(words: Sequence[str]) -> int:
    """Make a data set, or go on making it.

    Raises:
        ValueError: The words do not go together, or the endpoint refuses all requests.
    """
    options = parse_options(Synthesize, words)
    _check(options)
    model = _ours(options.run) if options.run else None
    synthesis = _plan(options, model)
    if synthesis.draft.is_done:
        print(f"{options.output} is there, and nothing is missing")
        return 0
    with synthesis.opened() as workbook:
        if options.requests:
            return _write_requests(options, synthesis, workbook)
        if options.replies:
            _read_replies(options.replies, synthesis, workbook)
        else:
            cache = synthesis.sieve.cache
            status = ask_missing(options, lambda: synthesis.requests(workbook), workbook, cache, model)
            if status:
                return status
        return _make(options, synthesis, workbook)


def _check(options: Synthesize) -> None:
    """Hold the words to their limits and to each other.

    Raises:
        ValueError: They are beyond them, or do not go together.
    """
    check_endpoint(options, options.max_tokens)
    if options.shots is not None and options.shots < 0:
        raise ValueError(f"shots must be at least 0, got {options.shots}")
    if not options.kinds or len(set(options.kinds)) < len(options.kinds):
        raise ValueError(f"kinds={options.kinds} must name at least one kind, and each once")
    if bool(options.model) == bool(options.run):
        raise ValueError("say who is asked: model=NAME, at base_url=, or run=MODEL, of ours; one of both")
    if options.run and (options.base_url != OPENAI or options.requests or options.replies):
        raise ValueError(
            f"run={options.run} is served here; base_url=, requests= and replies= are for others"
        )
    if options.requests and options.replies:
        raise ValueError("requests= writes files, replies= reads them; say one of both")
    if options.budget is not None and (options.requests or options.replies):
        raise ValueError(
            f"budget={options.budget} has no effect: with requests= or replies= nothing is asked"
        )


def _ours(run: str) -> Ours:
    from vlm.study.asked import ours  # noqa: PLC0415 (torch takes seconds)

    return ours(run, None, [])


def _plan(options: Synthesize, model: Ours | None) -> "Synthesis":
    from vlm.endpoint.budget import Prices  # noqa: PLC0415 (openai and webdataset: two seconds)
    from vlm.endpoint.cache import Cache  # noqa: PLC0415
    from vlm.endpoint.request import Parameters  # noqa: PLC0415
    from vlm.synthesis.draft import Output  # noqa: PLC0415
    from vlm.synthesis.filters import Wanted  # noqa: PLC0415
    from vlm.synthesis.prompts import FEW_SHOT, load_prompt  # noqa: PLC0415
    from vlm.synthesis.sift import Sieve  # noqa: PLC0415
    from vlm.synthesis.survey import Source  # noqa: PLC0415
    from vlm.synthesis.synthesize import Synthesis  # noqa: PLC0415

    prompts = Path(options.prompts) if options.prompts else FEW_SHOT
    source = Source(
        options.format, Path(options.source), Path(options.boxes) if options.boxes else None,
        Path(options.images) if options.images else None, options.limit, options.max_distance,
    )  # fmt: skip
    sieve = Sieve(
        {kind: load_prompt(prompts, kind, options.shots, options.system_role) for kind in options.kinds},
        Parameters(
            model.name if model else str(options.model), options.temperature, options.max_tokens, seed=None
        ),
        SERVED if model else options.base_url.rstrip("/"),
        Cache(Path(options.cache)),
        Prices(options.input_price, options.output_price),
        Wanted(options.min_words, options.max_words, options.language),
        options.max_overlap,
        options.seed,
    )
    output = Output(
        Path(options.output), options.name, options.licence, options.samples_per_shard, options.show
    )
    return Synthesis(source, sieve, output)


def _write_requests(options: Synthesize, synthesis: "Synthesis", workbook: "Workbook") -> int:
    from vlm.endpoint.batch import write_requests  # noqa: PLC0415

    assert options.requests
    sieve, total, is_first = synthesis.sieve, 0, workbook.firsts()
    missing = (
        request
        for request in synthesis.requests(workbook)
        if is_first(request.key) and sieve.cache.get(request.key) is None
    )
    for path, count in write_requests(missing, sieve.base_url, Path(options.requests)):
        print(f"{path}: {count} requests", flush=True)
        total += count
    print(f"{total} requests have no reply yet; when they have, say replies=FILES in place of requests=")
    return 0


def _read_replies(pattern: str, synthesis: "Synthesis", workbook: "Workbook") -> None:
    from glob import glob  # noqa: PLC0415

    from vlm.endpoint.batch import read_replies  # noqa: PLC0415

    files = [Path(name) for name in sorted(glob(pattern))]
    if not files:
        raise ValueError(f"replies={pattern} names no file; give those that came back for the requests")
    kept = 0
    for digest, reason in read_replies(files, synthesis.sieve.cache):
        if reason is None:
            kept += 1
        else:
            workbook.fail(digest, reason)
    print(f"{kept} replies read from {len(files)} files", flush=True)


def _make(options: Synthesize, synthesis: "Synthesis", workbook: "Workbook") -> int:
    funnel = synthesis.make(workbook)
    print(*funnel.lines(), sep="\n")
    without = "" if synthesis.images else ", and no shards: images= does not say where the pictures are"
    print(f"{options.output}: {funnel.accepted} records{without}")
    if funnel.is_complete:
        synthesis.draft.clear()
    else:
        print("some requests have no reply; the same command asks for these alone")
    return 0 if funnel.is_complete and funnel.accepted else 1
