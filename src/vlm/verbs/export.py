"""vlm export: write a model for others to load, and prove that it is the same.

vlm export [WORDS OF THE SENTENCE] format=FORMAT output=DIR [checkpoint=last|best|STEP]
    the finished run of a sentence, or a state of one that goes on
vlm export run=MODEL [base=DIR] format=FORMAT output=DIR [checkpoint=last|best|STEP]
    a model that is named: a run's folder, a run of the tracker by its id, or a folder as LLaVA or
    transformers writes it; base is the LLM of a folder that holds a projector or a LoRA adapter only

format=huggingface    transformers' LLaVA or LLaVA-NeXT, with processor and chat template; LoRA is merged
format=llava          as LLaVA's own code loads it: whole, LoRA beside its base, or a projector after align
format=parts          any model: each part as parts are published, config and manifest; run=DIR reads it

merge=true writes a whole model where llava or parts would write an adapter or a projector alone. What is
written is read again, and its logits and greedy answers are held to the original's before the folder is
there. A model card (README.md) says how the model came about, what it scores, and what its licences ask for
together.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlm.compose import compose_sentence
from vlm.options import MISSING, parse_options
from vlm.sentence import read_sentence


@dataclass
class Export:
    """The words of `vlm export` that are no part of a sentence."""

    format: str = MISSING
    output: str = MISSING
    merge: bool | None = None
    run: str | None = None
    base: str | None = None


def run(words: Sequence[str]) -> int:
    """Export the model.

    Raises:
        ValueError: It is not trained, the format cannot hold it, or what was written is not the same.
    """
    names = tuple(f"{name}=" for name in Export.__dataclass_fields__)
    asked: Export = parse_options(Export, [word for word in words if word.startswith(names)])
    rest = [word for word in words if not word.startswith(names)]
    output = Path(asked.output).expanduser()
    if asked.base and not asked.run:
        raise ValueError(f"base={asked.base} has no effect without run=MODEL; leave it out")

    from vlm.study.exported.export import export  # noqa: PLC0415 (torch takes seconds)
    from vlm.study.exported.plan import Format, plan  # noqa: PLC0415

    if asked.format not in Format.__members__:
        raise ValueError(f"format must be one of {', '.join(Format.__members__)}, got {asked.format}")
    verified = export(plan(_find(asked, rest), Format[asked.format], asked.merge), output)
    print(f"{output}: {verified}")
    return 0


def _find(asked: Export, words: list[str]) -> Any:
    from vlm.study.named import of_run, open_named  # noqa: PLC0415

    if asked.run:
        return open_named(asked.run, asked.base, words)
    sentence = compose_sentence(words)
    planned = read_sentence(sentence.config)
    return of_run(sentence, planned, " ".join(words) or "the default sentence")
