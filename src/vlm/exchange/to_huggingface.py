"""A model of ours as transformers' `LlavaForConditionalGeneration` or `LlavaNextForConditionalGeneration`."""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import (
    CLIPImageProcessor,
    GenerationConfig,
    LlavaConfig,
    LlavaImageProcessor,
    LlavaNextConfig,
    LlavaNextImageProcessor,
    LlavaNextProcessor,
    LlavaProcessor,
    PreTrainedConfig,
    PreTrainedTokenizerBase,
)

from vlm.data.image import ImageTransform
from vlm.data.sample import IMAGE_PLACEHOLDER
from vlm.exchange.chat import chat_template, gap_after_pictures
from vlm.exchange.names import TRANSFORMERS
from vlm.exchange.places import pieces_of
from vlm.exchange.settings import configuration_of
from vlm.exchange.tower import ROUTE, Tower, tower_of
from vlm.exchange.written import SHARD, named_by, write_weights
from vlm.llm.base import LLM
from vlm.llm.causal import CausalLM
from vlm.model.vision_language import VisionLanguageModel
from vlm.projector.mlp import MLPProjector

WORDS = ("llm.model.embed_tokens.weight", "llm.lm_head.weight")
"""Pieces with a row for each word."""


def check_huggingface(model: VisionLanguageModel, transform: ImageTransform) -> None:
    """Hold a model to what transformers' classes can be.

    Args:
        model: Built or not.
        transform: How it prepares pictures.

    Raises:
        ValueError: They cannot be this.
    """
    tower = tower_of(model.encoder)
    projector, llm = model.projector, model.llm
    if not isinstance(projector, MLPProjector) or projector.depth != 2:
        raise ValueError(
            "transformers' LLaVA has a connector of two layers with GELU between (projector=mlp2), and this "
            f"is another {type(projector).__name__}; {ROUTE}"
        )
    if not isinstance(llm, CausalLM) or llm.logit_cap is not None:
        raise ValueError(f"transformers' LLaVA caps no logits, and this LLM has them capped; {ROUTE}")
    if transform.mode == "anyres" and transform.merge != "unpad":
        raise ValueError(
            f"transformers' LLaVA-NeXT reads tiles with stage.image.merge=unpad, and this model with "
            f"{transform.merge}; {ROUTE}"
        )
    if transform.mode == "anyres" and tower.keeps_class_token:
        raise ValueError(f"transformers' LLaVA-NeXT drops the class token (encoder.class_token); {ROUTE}")


def write_huggingface(
    model: VisionLanguageModel, transform: ImageTransform, folder: Path, shard_size: int = SHARD
) -> None:
    """Write a folder that transformers loads by itself.

    Args:
        model: Built, adapters merged.
        transform: How it prepares pictures.
        folder: Is there and empty.
        shard_size: Of a file of weights, in bytes.

    Raises:
        ValueError: transformers' classes cannot be this, or its tokenizer cannot tell pictures from text.
    """
    check_huggingface(model, transform)
    tower = tower_of(model.encoder)
    tokenizer = _with_image_word(model.llm)
    image_id = int(tokenizer.convert_tokens_to_ids(IMAGE_PLACEHOLDER))
    tensors = with_rows(pieces_of(model), image_id + 1) | dict(tower.unused)
    config = _config(model, transform, tower, len(tensors[WORDS[0]]), image_id)
    config.save_pretrained(folder)
    write_weights(folder, named_by(TRANSFORMERS, tensors), shard_size=shard_size)
    chat = chat_template(model.llm.template, gap_after_pictures(model.llm.tokenizer, tokenizer))
    kind = LlavaNextProcessor if transform.mode == "anyres" else LlavaProcessor
    kind(
        image_processor=image_processor(transform, model.encoder.std),
        tokenizer=tokenizer,
        patch_size=tower.config.patch_size,
        vision_feature_select_strategy=tower.strategy,
        num_additional_image_tokens=int(tower.has_class_token),
        chat_template=chat,
    ).save_pretrained(folder)
    _generation(model.llm, image_id).save_pretrained(folder)


def _with_image_word(llm: LLM) -> PreTrainedTokenizerBase:
    """Return the tokenizer with the word that stands for a picture, which ours has no use for."""
    tokenizer = copy.deepcopy(llm.tokenizer)
    tokenizer.add_tokens([IMAGE_PLACEHOLDER], special_tokens=True)
    tokenizer.chat_template = None  # the processor has it
    return tokenizer


def with_rows(tensors: Mapping[str, Tensor], number: int) -> dict[str, Tensor]:
    """Return the weights with at least so many words.

    A new row is the mean of all others, so its logit is the mean of all logits, and it is never said.
    """
    grown = dict(tensors)
    for name in WORDS:
        if name in grown and len(grown[name]) < number:
            rows = grown[name]
            mean = rows.float().mean(0, keepdim=True).to(rows.dtype)
            grown[name] = torch.cat([rows, mean.expand(number - len(rows), -1)])
    return grown


def _config(
    model: VisionLanguageModel, transform: ImageTransform, tower: Tower, num_words: int, image_id: int
) -> PreTrainedConfig:
    text = copy.deepcopy(configuration_of(model.llm))
    text.vocab_size = num_words
    settings: dict[str, Any] = {
        "vision_config": tower.config.to_dict(),
        "text_config": text.to_dict(),
        "image_token_index": image_id,
        "image_seq_length": transform.tokens_per_tile,
        "vision_feature_layer": tower.layer,
        "vision_feature_select_strategy": tower.strategy,
        "tie_word_embeddings": bool(text.tie_word_embeddings),
        "dtype": next(model.parameters()).dtype,
    }
    if transform.mode != "anyres":
        return LlavaConfig(**settings, architectures=["LlavaForConditionalGeneration"])
    return LlavaNextConfig(
        **settings,
        image_grid_pinpoints=pinpoints(transform),
        architectures=["LlavaNextForConditionalGeneration"],
    )


def pinpoints(transform: ImageTransform) -> list[list[int]]:
    """Return height and width of each canvas, in pixels."""
    return [[rows * transform.size, columns * transform.size] for rows, columns in transform.grids]


def image_processor(transform: ImageTransform, std: tuple[float, ...]) -> Any:
    """Return what prepares pictures as we do.

    Args:
        transform: How we do.
        std: Of each channel in [0, 1].
    """
    side = transform.size
    square = {"height": side, "width": side}
    settings: dict[str, Any] = {
        "image_mean": list(transform.mean),
        "image_std": list(std),
        "size": square if transform.mode == "resize" else {"shortest_edge": side},
        "crop_size": square,
        "do_center_crop": transform.mode != "resize",
    }
    if transform.mode == "anyres":
        return LlavaNextImageProcessor(**settings, image_grid_pinpoints=pinpoints(transform))
    if transform.mode == "pad":
        return LlavaImageProcessor(**settings, do_pad=True)
    return CLIPImageProcessor(**settings)


def _generation(llm: LLM, image_id: int) -> GenerationConfig:
    return GenerationConfig(
        bos_token_id=llm.tokenizer.bos_token_id,
        eos_token_id=llm.stop_ids,
        pad_token_id=llm.tokenizer.pad_token_id,
        suppress_tokens=[image_id],
        do_sample=False,
    )
