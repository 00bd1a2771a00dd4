"""`vlm VERB [overrides]`; nothing heavy is imported until a verb is chosen."""

import importlib
import os
import sys
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from traceback import format_exc
from typing import Any

from vlm import ranks
from vlm.paths import config_dir

VERBS = {
    "train": "train what the sentence says, stage by stage, then evaluate it",
    "prove": "try every cell of a sweep small, on a CPU, before GPUs are booked",
    "evaluate": "score a finished run, or given answers, on benchmarks",
    "report": "turn a sweep into a table and a picture",
    "chat": "talk to a model in the terminal",
    "export": "write a model for transformers, LLaVA or others, and prove that it is the same",
    "serve": "answer over HTTP as OpenAI's servers do, and show a page",
    "diff": "say in what two runs differ, at which step their trainings part, and why",
    "parts": "list the encoders, projectors, LLMs and adapters that can be chosen",
    "forget": "delete a sweep's runs, so that they are trained again",
    "synthesize": "make instruction data with a language model, from captions and boxes",
    "label": "ask a trained model about pictures, and make a source of the answers that hold",
    "data": "make and keep data: pack, formats, build-665k, index, check, filter, inspect, shapes, pope",
}
FAILED = 2
TRACEBACK = "VLM_TRACEBACK"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a verb; return the exit status.

    What a user can mend is one line on standard error; `VLM_TRACEBACK=1` shows where it came from.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or words[0] in ("-h", "--help", "help"):
        print(help_text())
        return 0
    if words[0] not in VERBS:
        print(f"vlm: error: no verb '{words[0]}'; choose one of {', '.join(VERBS)}", file=sys.stderr)
        return FAILED
    if {"-h", "--help"} & set(words[1:]):
        print(help_text(words[0]))
        return 0
    if ranks.rank():
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115 (the first process of a group speaks for all)
    try:
        return _run(words[0], words[1:])
    except KeyboardInterrupt:
        print("vlm: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # whoever read the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except Exception as error:
        return _fail(error)


def _fail(error: Exception) -> int:
    """Say what went wrong, in a line if the user can mend it."""
    users = _is_users(error) and not os.environ.get(TRACEBACK)
    if ranks.FAILURE_FILE in os.environ:  # whoever started the group says it, once for all
        ranks.report_failure(_one_line(error) if users else format_exc(), users)
    elif not users:
        raise error
    else:
        print(f"vlm: error: {_one_line(error)}", file=sys.stderr)
    return FAILED


def _run(verb: str, words: list[str]) -> int:
    module = importlib.import_module(f"vlm.verbs.{verb}")
    return int(module.run(words))


def help_text(verb: str | None = None) -> str:
    """Return the verbs, or a verb's manual; and the groups of choices, read off the config folder."""
    if verb in VERBS.keys() - {"train"}:
        return str(importlib.import_module(f"vlm.verbs.{verb}").__doc__)
    lines = ["vlm VERB [overrides]", ""]
    if verb:
        lines = [f"vlm {verb} [overrides]: {VERBS[verb]}", ""]
    else:
        lines += [f"  {name:<10} {what}" for name, what in VERBS.items()] + [""]
    lines += ["A sentence is made of choices, and any value of them can be overridden:", ""]
    for group in sorted(path for path in config_dir().iterdir() if path.is_dir()):
        choices = sorted(str(path.relative_to(group).with_suffix("")) for path in group.rglob("*.yaml"))
        lines.append(f"  {group.name + '=':<12} {'  '.join(choices)}")
    lines += [
        "",
        "  vlm train projector=linear stage.optimizer.learning_rate=1e-3",
        "  vlm train -m projector=linear,mlp2 seed=1,2     every combination",
        "  vlm train --cfg job                             print the sentence, run nothing",
    ]
    return "\n".join(lines)


def _is_users(error: Exception) -> bool:
    """Whether the user can mend it: a wrong value, file or key, and not our own mistake."""
    modules = {kind.__module__.split(".")[0] for kind in type(error).__mro__}
    return isinstance(error, ValueError | OSError) or bool(modules & {"hydra", "omegaconf"})


def _one_line(error: BaseException) -> str:
    """Join the message's lines; a config error tells its cause, which names the key and the type."""
    cause = error.__cause__ if type(error).__module__.startswith("hydra") else None
    if type(error).__name__ == "InstantiationException" and isinstance(cause, ValueError | OSError):
        return _one_line(cause)  # the part's own words; Hydra's around them name only the class
    if type(cause).__name__ in ("ConfigAttributeError", "ConfigKeyError"):
        return _unknown_key(cause)
    texts = [str(error)] + ([str(cause)] if cause else [])
    if "DataLoader worker process" in texts[0]:  # torch puts the worker's traceback into the message
        texts = [texts[0].strip().splitlines()[-1].partition(": ")[2]]
    hidden = ("Config search path", "provider=", "object_type", "reference_type")
    lines = [line.strip() for text in texts for line in text.splitlines()]
    kept = [line for line in lines if line and not line.startswith(hidden)]
    return " ".join(dict.fromkeys(kept)) or type(error).__name__


def _unknown_key(cause: Any) -> str:
    """Name the key and what was probably meant, or what there is."""
    known = [str(key) for key in cause.parent_node or () if key != "hydra"]
    root = cause.parent_node._get_root() if cause.parent_node is not None else {}
    elsewhere = sorted(_keys_called(str(cause.key), root), key=lambda key: key.count("."))
    alike = elsewhere or get_close_matches(str(cause.key), known, 1)
    remedy = f"did you mean {alike[0]}?" if alike else f"choose one of {', '.join(known)}"
    return f"{cause.full_key} is no key; {remedy}"


def _keys_called(name: str, node: Any, prefix: str = "") -> Iterator[str]:
    """Yield the full keys whose last word is the name."""
    for key in node.keys() if hasattr(node, "keys") else ():
        if key == name and prefix:
            yield f"{prefix}{key}"
        elif key != "hydra":
            yield from _keys_called(name, node._get_node(key), f"{prefix}{key}.")
