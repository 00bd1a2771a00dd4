"""vlm chat: talk to a model in the terminal.

vlm chat [WORDS OF THE SENTENCE]
    the finished run of a sentence
vlm chat run=MODEL [base=DIR] [WORDS]
    a model that is named: a run's folder, a run of the tracker by its id, or a folder as LLaVA or
    transformers writes it; base is the LLM of a folder that holds a projector or a LoRA adapter only
vlm chat ... --query TEXT [--image FILE ...]
    ask once, print the answer and nothing else

max_new_tokens=512 cuts an answer. evaluation.decoding.temperature=0.2, top_p and top_k draw its words,
evaluation.precision=bfloat16 and trainer=gpu say how and where.

/image FILE [FILE ...]  show pictures with the next message; where it says <image>, else before its words
/reset                  begin anew, without pictures
/save FILE              keep the conversation, as a record that vlm data pack reads
/help, /quit            Ctrl-C stops an answer, Ctrl-D ends
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vlm.options import parse_options, split_options


@dataclass
class Chat:
    """The words of `vlm chat` that are no part of a sentence."""

    run: str | None = None
    base: str | None = None
    max_new_tokens: int = 512


def run(words: Sequence[str]) -> int:
    """Talk until the user has had enough, or answer one question.

    Raises:
        ValueError: There is no such model, or the question cannot be answered.
    """
    parser = argparse.ArgumentParser("vlm chat", add_help=False)
    parser.add_argument("--query")
    parser.add_argument("--image", action="append", default=[])
    parser.add_argument("words", nargs="*")
    asked = parser.parse_intermixed_args(words)
    if asked.image and asked.query is None:
        raise ValueError("--image goes with --query; in a conversation say /image FILE")
    own, sentence = split_options(Chat, asked.words)
    chat = _open(parse_options(Chat, own), sentence, quietly=asked.query is not None)
    if asked.query is not None:
        if asked.image:
            chat.show(asked.image)
        print(chat.ask(asked.query))
        return 0
    _converse(chat)
    return 0


def _open(options: Chat, sentence: list[str], quietly: bool) -> Any:
    from vlm.serving.chat import Chat as Conversation  # noqa: PLC0415 (torch takes seconds)
    from vlm.serving.served import with_end  # noqa: PLC0415
    from vlm.study.asked import load_answerer, open_model  # noqa: PLC0415

    named = open_model(options.run, options.base, sentence)
    if not quietly:
        print(f"{named.planned.folder}: /help lists commands, /quit ends")
    answerer = load_answerer(named, options.max_new_tokens)
    return Conversation(answerer, with_end(answerer), (lambda text: None) if quietly else _write)


def _write(text: str) -> None:
    print(text, end="", flush=True)


def _converse(chat: Any) -> None:
    if sys.stdin.isatty():
        import readline  # noqa: F401, PLC0415 (lines can be edited once it is imported)
    while True:
        try:
            line = input("> ")
        except KeyboardInterrupt:
            print()
            continue
        except EOFError:
            print()
            return
        if not chat.hear(line):
            return
