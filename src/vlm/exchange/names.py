"""What tensors are called: by us, by LLaVA, by transformers. Every table is read both ways.

Between the two stands the *piece*: what others keep as one tensor. Its name is ours, less the modules that
only wrap (`network.`), and a vision tower's as transformers calls it:

    encoder.encoder.layers.0.self_attn.q_proj.weight
    projector.layers.0.weight
    projector.row_end
    llm.model.embed_tokens.weight
    llm.lm_head.weight
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Pairs = Sequence[tuple[str, str]]
"""Beginnings of names: of a piece, and of the tensor that holds it; of equals, the first counts."""

WRAPPER = "vision_model."
"""The module in which transformers keeps the tower of a vision model, up to version 4 of all of them."""


@dataclass(frozen=True)
class Layout:
    """How a kind of checkpoint names its tensors.

    Args:
        pairs: The longest beginning that fits a name counts.
    """

    pairs: Pairs

    def theirs(self, piece: str) -> str:
        """Return the tensor that holds a piece."""
        return _exchange(piece, self.pairs)

    def piece(self, theirs: str) -> str:
        """Return the piece that a tensor holds."""
        return _exchange(theirs, [(new, old) for old, new in self.pairs])


def _exchange(name: str, pairs: Pairs) -> str:
    fitting = [pair for pair in pairs if name.startswith(pair[0])]
    if not fitting:
        return name
    old, new = max(fitting, key=lambda pair: len(pair[0]))
    return new + name[len(old) :]


LLAVA = Layout(
    (
        ("llm.", ""),
        ("encoder.", f"model.vision_tower.vision_tower.{WRAPPER}"),
        ("projector.layers.", "model.mm_projector."),
        ("projector.row_end", "model.image_newline"),
    )
)
"""LLaVA's, whose model is an LLM with two more modules."""

LLAVA_LINEAR = Layout((("projector.layers.0.", "model.mm_projector."), *LLAVA.pairs))
"""LLaVA's with a connector of one layer, which has no number."""

TRANSFORMERS = Layout(
    (
        ("llm.", "language_model."),
        ("encoder.", f"vision_tower.{WRAPPER}"),
        ("encoder.", "vision_tower."),
        ("projector.layers.0.", "multi_modal_projector.linear_1."),
        ("projector.layers.2.", "multi_modal_projector.linear_2."),
        ("projector.row_end", "image_newline"),
    )
)
"""That of the models which the hub's `llava-hf` publishes, whatever version reads them."""

TRANSFORMERS_5 = Layout(
    (
        ("llm.model.", "model.language_model."),
        ("llm.lm_head.", "lm_head."),
        ("encoder.", f"model.vision_tower.{WRAPPER}"),
        ("encoder.", "model.vision_tower."),
        ("projector.layers.0.", "model.multi_modal_projector.linear_1."),
        ("projector.layers.2.", "model.multi_modal_projector.linear_2."),
        ("projector.row_end", "model.image_newline"),
    )
)
"""That of the modules which transformers builds since version 5."""


def layout_of(names: Iterable[str]) -> Layout:
    """Return the layout that tensors are named by."""
    beginnings = {
        "model.language_model.": TRANSFORMERS_5,
        "language_model.": TRANSFORMERS,
        "model.mm_projector.weight": LLAVA_LINEAR,
    }
    present = list(names)
    for beginning, layout in beginnings.items():
        if any(name.startswith(beginning) for name in present):
            return layout
    return LLAVA


OPEN_CLIP: Pairs = (
    ("class_embedding", "embeddings.class_embedding"),
    ("positional_embedding", "embeddings.position_embedding.weight"),
    ("conv1.", "embeddings.patch_embedding."),
    ("ln_pre.", "pre_layrnorm."),
    ("ln_post.", "post_layernorm."),
    ("transformer.resblocks.", "encoder.layers."),
)
"""Beginnings of names in open_clip's vision transformers, and in transformers'."""

OPEN_CLIP_LAYER: Pairs = (
    (".ln_1.", ".layer_norm1."),
    (".ln_2.", ".layer_norm2."),
    (".attn.out_proj.", ".self_attn.out_proj."),
    (".mlp.c_fc.", ".mlp.fc1."),
    (".mlp.c_proj.", ".mlp.fc2."),
)
"""The same within a layer."""

JOINED = ".attn.in_proj_"
"""What open_clip keeps as one: the rows of queries, keys and values."""


def pieces(ours: str) -> list[str]:
    """Return the pieces whose rows, one below the other, are one of our weights."""
    part, _, inner = ours.partition(".")
    while inner.startswith("network."):
        inner = inner.removeprefix("network.")
    if part != "encoder":
        return [f"{part}.{inner}"]
    inner = inner.removeprefix(WRAPPER)
    if not any(inner.startswith(beginning) for beginning, _ in OPEN_CLIP):
        return [f"{part}.{inner}"]
    inner = _exchange(inner, OPEN_CLIP)
    for old, new in OPEN_CLIP_LAYER:
        inner = inner.replace(old, new)
    if JOINED in inner:
        layer, kind = inner.split(JOINED)
        return [f"{part}.{layer}.self_attn.{name}_proj.{kind}" for name in "qkv"]
    return [f"{part}.{inner}"]


def unwrapped(name: str) -> str:
    """Return the name that a tensor has in a whole model, without what peft put around it.

    Of a connector LLaVA, too, looks at nothing but what follows its own name.
    """
    name = re.sub(r"^base_model\.(model\.)?", "", name)
    name = re.sub(r"^model\.(?=model\.)", "", name)
    return re.sub(r"^.*\bmm_projector\.", "model.mm_projector.", name)
