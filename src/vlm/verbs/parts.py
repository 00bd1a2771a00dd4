"""vlm parts: list the encoders, projectors, LLMs and adapters that can be chosen.

  vlm parts [GROUP ...] [overrides]

Parameters of projectors and adapters, and visual tokens, are those beside the sentence's other parts;
unless the overrides say otherwise, those of LLaVA-1.5-7B: encoder=clip336 projector=mlp2 llm=vicuna7b.
"""

from collections.abc import Sequence

GROUPS = ("encoder", "projector", "llm", "adapter")
SENTENCE = ("encoder=clip336", "projector=mlp2", "llm=vicuna7b")


def run(words: Sequence[str]) -> int:
    """Print a table for each group."""
    overrides = [word for word in words if "=" in word]
    groups = [word for word in words if "=" not in word]
    unknown = sorted(set(groups) - set(GROUPS))
    if unknown:
        raise ValueError(f"'{unknown[0]}' is no group of parts; choose some of {', '.join(GROUPS)}")
    from vlm.quiet import quiet_libraries  # noqa: PLC0415 (torch takes seconds)
    from vlm.study.catalogue import list_choices  # noqa: PLC0415

    quiet_libraries()
    sentence = [*SENTENCE, *overrides]
    print(f"beside {' '.join(sentence)}; tokens: of one picture (of an encoder: what the projector gets)")
    for group in groups or GROUPS:
        print(f"\n{group:<18}{'parameters':>16}{'tokens':>8}  licence, source, sizes")
        for choice in list_choices(group, sentence):
            parameters = "-" if choice.parameters is None else f"{choice.parameters:,}"
            tokens = "" if choice.tokens is None else str(choice.tokens)
            rest = "; ".join(text for text in (choice.licence, choice.source, choice.facts) if text)
            print(f"  {choice.name:<16}{parameters:>16}{tokens:>8}  {rest}", flush=True)
    return 0
