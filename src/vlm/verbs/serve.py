"""vlm serve: answer requests over HTTP as OpenAI's servers do, and show a page to talk to the model.

vlm serve [WORDS OF THE SENTENCE]
vlm serve run=MODEL [base=DIR] [against=MODEL] [WORDS]
    a model by the words that trained it, or by its name: a run's folder, a run of the tracker by its id, or a
    folder as LLaVA or transformers writes it. against=MODEL serves another one beside it

host=127.0.0.1 port=8000  where; port=0 chooses one
names=NAME[,NAME]         what requests call the models; their folders' names else
api_key_variable=NAME     the environment variable with the key that requests must bring
at_once=32 queue=256      answers written at once, and requests that may wait, of each model; more get 429
cache_tokens=N            tokens held in memory at once, of each model
max_new_tokens=512        of an answer whose request does not say
timeout_s=300             for a request; 504 then
shutdown_s=30             for what is under way when SIGTERM asks to stop
ends_with_parent=true     and at once when the process that started it is gone
body_mib=64 pictures=8 picture_mib=16 megapixels=50   of a request, and of each of its pictures
remote_pictures=true      pictures may be http and https addresses of public hosts (picture_timeout_s=10)

POST /v1/chat/completions  text and image_url parts (data URLs); stream, stop, seed, temperature, top_p,
                           top_k, max_tokens; pictures stand before a message's words, or where these say
                           <image>
                           logprobs, top_logprobs: the model's own, before temperature, top_p and top_k
POST /v1/attention         the same messages with an answer: where on the pictures it looked
GET /v1/models /health /metrics, and / for the page

Words are chosen as evaluation.decoding says (the likeliest), where a request says nothing else.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

from omegaconf import OmegaConf

from vlm.compose import check_limits
from vlm.options import parse_options, split_options
from vlm.serving.settings import Settings
from vlm.signals import when_orphaned


@dataclass
class Serve(Settings):
    """The words of `vlm serve` that are no part of a sentence."""

    run: str | None = None
    base: str | None = None
    against: str | None = None
    names: str | None = None
    host: str = "127.0.0.1"
    port: int = 8000
    ends_with_parent: bool = False
    api_key_variable: str | None = None


def run(words: Sequence[str]) -> int:
    """Serve until a signal asks to stop.

    Raises:
        ValueError: There is no such model, or words do not go together.
    """
    own, sentence = split_options(Serve, words)
    options = parse_options(Serve, own)
    check_limits(OmegaConf.structured(options))
    key = _key(options.api_key_variable)
    settings = Settings(**{field.name: getattr(options, field.name) for field in fields(Settings)})
    from vlm.serving.app import build_app  # noqa: PLC0415 (torch takes seconds)
    from vlm.serving.server import listen, serve  # noqa: PLC0415
    from vlm.serving.service import Service  # noqa: PLC0415

    if options.ends_with_parent:
        when_orphaned(partial(os._exit, 1))
    listener = listen(options.host, options.port)  # before minutes of loading
    models = _open(options, sentence, settings)
    service = Service(models, settings)
    host, port = listener.getsockname()[:2]
    if key is None and options.host not in ("127.0.0.1", "localhost", "::1"):
        print(f"host={options.host} lets others ask, without a key; say api_key_variable=NAME")
    print(
        f"serving {', '.join(service.models)} on http://{f'[{host}]' if ':' in host else host}:{port}",
        flush=True,
    )
    serve(build_app(service, key), service, listener)
    return 0


def _open(options: Serve, sentence: list[str], settings: Settings) -> list[Any]:
    """Return the models, loaded.

    Raises:
        ValueError: There is none, or names do not fit.
    """
    from vlm.serving.served import Served  # noqa: PLC0415
    from vlm.study.asked import load_answerer, name_of, open_model  # noqa: PLC0415

    asked = [(options.run, options.base), *([(options.against, None)] if options.against else [])]
    if options.against and not options.run:
        raise ValueError(f"against={options.against} goes with a model that is named; say run=MODEL")
    named = [open_model(run, base, sentence) for run, base in asked]
    names = _names(options.names, [name_of(one) for one in named])
    return [
        Served(name, load_answerer(one, settings.max_new_tokens), settings)
        for name, one in zip(names, named, strict=True)
    ]


def _names(given: str | None, known: Sequence[str]) -> list[str]:
    """Return what models are called.

    Raises:
        ValueError: There are not as many names as models, or two are the same.
    """
    names = given.split(",") if given else list(known)
    if len(names) != len(known) or len(set(names)) != len(names) or not all(names):
        raise ValueError(
            f"{len(known)} models need as many different names, got {names}; say names=NAME,NAME"
        )
    return names


def _key(variable: str | None) -> str | None:
    if variable is None:
        return None
    key = os.environ.get(variable, "").strip()
    if not key:
        raise ValueError(f"the environment variable {variable} is not set; put the key into it")
    return key
