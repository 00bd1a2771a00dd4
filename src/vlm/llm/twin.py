"""A small configuration of the same family, for runs that only prove the wiring."""

from collections.abc import Mapping
from typing import Any

VOCABULARY = 576
"""The packaged tokenizer's 570, and a few rows that no word has, as large models have."""
HEAD_DIM = 8
NUM_HEADS = 4
NUM_LAYERS = 2
SMALL: Mapping[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": HEAD_DIM * NUM_HEADS,
    "intermediate_size": 2 * HEAD_DIM * NUM_HEADS,
    "num_hidden_layers": NUM_LAYERS,
    "num_attention_heads": NUM_HEADS,
    "max_position_embeddings": 4096,
}
TOKENS: Mapping[str, int] = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}


def shrink(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return transformers' configuration with small sizes and everything else as it was.

    Grouped queries stay grouped, tied embeddings tied, windows and soft caps in place.
    """
    small = {**config, **SMALL, **TOKENS}
    if "num_key_value_heads" in config:
        shared = config["num_attention_heads"] // config["num_key_value_heads"]
        small["num_key_value_heads"] = max(1, NUM_HEADS // shared)
    sizes_of_heads = {"head_dim": HEAD_DIM, "query_pre_attn_scalar": HEAD_DIM}
    small |= {key: value for key, value in sizes_of_heads.items() if key in config}
    # A list for each layer, or for each frequency of a head, belongs to the large sizes.
    for key in ("layer_types", "rope_scaling", "rope_parameters"):
        if key in small and not _is_plain(small[key]):
            del small[key]
    return small


def _is_plain(value: Any) -> bool:
    inner = value.values() if isinstance(value, Mapping) else [value]
    return not any(isinstance(item, list | tuple | Mapping) for item in inner)
