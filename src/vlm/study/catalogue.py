"""Every part that can be chosen: what it is, how large, whose."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from hydra.errors import InstantiationException
from torch import nn

from vlm.adapter.none import NoAdapter
from vlm.build import build_adapter, plan_model
from vlm.compose import compose_sentence
from vlm.paths import config_dir


@dataclass(frozen=True)
class Choice:
    """One line of the catalogue.

    Args:
        name: The word.
        parameters: Of the part as it is built; None where it cannot be joined to the others.
        tokens: Visual tokens that one picture becomes, where the part has a say in it.
        facts: Sizes, in words.
        licence: Of its weights.
        source: Where they come from.
    """

    name: str
    parameters: int | None
    tokens: int | None
    facts: str
    licence: str
    source: str


def list_choices(group: str, words: list[str]) -> Iterator[Choice]:
    """Yield the choices of a group; nothing is downloaded and no weight is made.

    Args:
        group: `encoder`, `projector`, `llm` or `adapter`.
        words: The sentence whose other parts they are joined to.
    """
    describe = {"encoder": _encoder, "projector": _projector, "llm": _llm, "adapter": _adapter}[group]
    for path in sorted((config_dir() / group).glob("*.yaml")):
        text = path.read_text()
        if "???" in text:  # it must be told more, as its first line says
            yield Choice(path.stem, None, None, text.splitlines()[0].removeprefix("# "), "", "")
            continue
        try:
            yield describe(path.stem, [*words, f"{group}={path.stem}"])
        except (ValueError, InstantiationException) as error:  # it cannot be joined to these others
            reason = str(error.__cause__ or error).partition(";")[0]
            yield Choice(path.stem, None, None, reason, "", "")


def _encoder(name: str, words: list[str]) -> Choice:
    encoder = plan_model(compose_sentence([*words, "projector=linear"]).config).encoder
    rows, columns = encoder.grid
    low, high = (", ".join(f"{value:.3f}" for value in values) for values in (encoder.mean, encoder.std))
    sizes = f"{encoder.image_size} px, grid {rows} x {columns}, dim {encoder.vision_dim}"
    facts = f"{sizes}, mean {low}, std {high}"
    return Choice(name, count(encoder), rows * columns, facts, encoder.licence, encoder.source)


def _projector(name: str, words: list[str]) -> Choice:
    projector = plan_model(compose_sentence(words).config).projector
    rows, columns = projector.output_grid
    return Choice(name, count(projector), projector.num_tokens, f"grid {rows} x {columns}", "", "random")


def _llm(name: str, words: list[str]) -> Choice:
    sentence = compose_sentence([*words, "projector=linear"])
    llm = plan_model(sentence.config).llm
    template, pad = sentence.choices["template@llm.template"], sentence.config.llm.pad_token
    facts = f"template {template}, pad {pad}, dim {llm.text_dim}, context {llm.context_length}"
    return Choice(name, count(llm), None, facts, llm.licence, llm.source)


def _adapter(name: str, words: list[str]) -> Choice:
    config = compose_sentence(words).config
    adapter, llm = build_adapter(config), plan_model(config).llm
    if isinstance(adapter, NoAdapter):
        return Choice(name, 0, None, "", "", "")
    with torch.device("meta"):
        llm.configure_model()
        adapter.attach("llm", llm.get_submodule("network"))
    added = sum(weight.numel() for weight in llm.parameters() if weight.requires_grad)
    return Choice(name, added, None, "beside the linear layers of the LLM", "", "random")


def count(part: nn.Module) -> int:
    """Return the parameters of a part that is not built."""
    with torch.device("meta"):
        part.configure_model()  # type: ignore[operator]
    return sum(weight.numel() for weight in part.parameters())
