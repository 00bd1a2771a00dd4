"""The chat template that comes with a tokenizer, read as marks around turns."""

from collections.abc import Sequence

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

from vlm.data.sample import Turn
from vlm.data.template import Template, TurnTemplate
from vlm.data.tokens import Span, opening

QUESTIONS, ANSWERS = ("Qone", "Qtwo", "Qthree"), ("Aone", "Atwo", "Athree")
"""Words that no template has of its own."""


class OwnTemplate(Template):
    """Stand for the template that the LLM's tokenizer carries, until the tokenizer is known."""

    def of(self, tokenizer: PreTrainedTokenizerBase) -> TurnTemplate:
        """Return it, as marks around turns."""
        return read_chat_template(tokenizer)

    def render(self, turns: Sequence[Turn]) -> list[Span]:
        """Refuse: it has no text of its own."""
        raise AssertionError("OwnTemplate.of(tokenizer) renders")

    def prompt(self, turns: Sequence[Turn]) -> str:
        """Refuse: it has no text of its own."""
        raise AssertionError("OwnTemplate.of(tokenizer) prompts")


def read_chat_template(tokenizer: PreTrainedTokenizerBase) -> TurnTemplate:
    """Read the marks off conversations of known words, and prove them on a longer one.

    Raises:
        ValueError: The tokenizer has no template, or one that is no marks around turns.
    """
    text = _apply(tokenizer, 2)
    try:
        system, text = text.split(QUESTIONS[0])
        human_end, text = text.split(ANSWERS[0])
        between, text = text.split(QUESTIONS[1])
        again, answer_end = text.split(ANSWERS[1])
    except ValueError as error:
        raise ValueError(_not_ours(tokenizer, "it drops, repeats or moves turns")) from error
    closing = answer_end.rstrip()
    if not between.startswith(closing):  # some close the whole once more, with an EOS of no turn
        closing = closing.removesuffix(tokenizer.eos_token or "").rstrip()
    if again != human_end or not between.startswith(closing):
        raise ValueError(_not_ours(tokenizer, "it marks a later turn otherwise than the first"))
    between = between.removeprefix(closing)
    # What opens a question opens the first one too; what the first lacks, separates.
    start = next(place for place in range(len(between) + 1) if system.endswith(between[place:]))
    human_start = between[start:]
    read = TurnTemplate(
        system.removesuffix(human_start), human_start, human_end, closing, separator=between[:start]
    )
    turns = [Turn(s, t) for pair in zip(QUESTIONS, ANSWERS, strict=True) for s, t in zip(SPEAKERS, pair)]  # noqa: B905
    rendered = "".join(span.text for span in read.render(turns))
    if not closing or _apply(tokenizer, 3).removesuffix(answer_end) != rendered.removesuffix(closing):
        raise ValueError(_not_ours(tokenizer, "a longer conversation does not follow the shorter ones"))
    return read


SPEAKERS = ("human", "gpt")


def _apply(tokenizer: PreTrainedTokenizerBase, pairs: int) -> str:
    messages = [
        {"role": role, "content": words[number]}
        for number in range(pairs)
        for role, words in (("user", QUESTIONS), ("assistant", ANSWERS))
    ]
    if not tokenizer.chat_template:
        raise ValueError(
            f"template own: the tokenizer of {tokenizer.name_or_path} carries no chat template; "
            "choose a template by name"
        )
    try:
        text = str(tokenizer.apply_chat_template(messages, tokenize=False))
    except TemplateError as error:
        raise ValueError(_not_ours(tokenizer, str(error))) from error
    # What the tokenizer puts before every text must not stand in it too.
    return text.removeprefix(tokenizer.bos_token) if opening(tokenizer) else text


def _not_ours(tokenizer: PreTrainedTokenizerBase, reason: str) -> str:
    return (
        f"template own: the chat template of {tokenizer.name_or_path} is no marks around turns ({reason}); "
        "choose a template by name"
    )
