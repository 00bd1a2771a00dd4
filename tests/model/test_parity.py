"""The whole model equals transformers' LLaVA with the same weights."""

import io
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor
from transformers import (
    CLIPVisionConfig,
    CLIPVisionModel,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaNextConfig,
    LlavaNextForConditionalGeneration,
    PreTrainedModel,
)

from tests.conftest import Compose
from vlm.build import build_image_transform, build_model
from vlm.data.batch import Edges
from vlm.data.tokens import IMAGE_ID
from vlm.llm.decoding import Decoding
from vlm.model.vision_language import VisionLanguageModel

IMAGE_WORD = 575
"""A row of the vocabulary that no word of the twins' tokenizer has: their sentinel, inside it."""
VISION = CLIPVisionConfig(
    hidden_size=32, intermediate_size=64, num_hidden_layers=4, num_attention_heads=4, image_size=32,
    patch_size=8,
)  # fmt: skip
IDS = [1, 20, 21, *[IMAGE_WORD] * 16, 30, 31, 32]
FAMILIES = {"llama": "vicuna7b", "mistral": "mistral7b", "qwen2": "qwen25_05b"}


@pytest.fixture(params=FAMILIES)
def pair(
    request: pytest.FixtureRequest, compose: Compose, tmp_path: Path
) -> tuple[VisionLanguageModel, LlavaForConditionalGeneration]:
    """Ours, and theirs with our weights."""
    torch.manual_seed(0)
    ours = build_model(compose(*words(tmp_path), f"llm={FAMILIES[request.param]}"))
    ours.configure_model()
    assert ours.llm.config.model_type == request.param
    config = LlavaConfig(
        vision_config=ours.encoder.config,
        text_config=ours.llm.config,
        image_token_index=IMAGE_WORD,
        vision_feature_layer=-2,
    )
    theirs = LlavaForConditionalGeneration(config)
    give(ours, theirs, {})
    return ours.eval(), theirs.eval()


def words(checkpoint: Path) -> list[str]:
    """The words of a small model with CLIP's class as transformers has it."""
    CLIPVisionModel(VISION).save_pretrained(checkpoint)
    return [
        "encoder=dinov2_large", "twin=true", f"encoder.checkpoint={checkpoint}",
        "encoder.config=null", "encoder.image_size=32",
    ]  # fmt: skip


def give(ours: VisionLanguageModel, theirs: PreTrainedModel, more: dict[str, Tensor]) -> None:
    """Give theirs our weights, by their names."""
    names = {"model.": "model.language_model.", "lm_head.": "lm_head."}
    state = {
        their_prefix + name.removeprefix(prefix): tensor
        for prefix, their_prefix in names.items()
        for name, tensor in ours.llm.network.state_dict().items()
        if name.startswith(prefix)
    }
    connector = ours.projector.state_dict()
    state |= {
        f"model.multi_modal_projector.linear_{number}.{kind}": connector[f"layers.{place}.{kind}"]
        for number, place in ((1, 0), (2, 2))
        for kind in ("weight", "bias")
    }
    state |= more
    state |= {f"model.vision_tower.{n}": t for n, t in ours.encoder.network.state_dict().items()}
    missing, unexpected = theirs.load_state_dict(state, strict=False)
    assert not unexpected
    # What comes after the selected features: their last block and the norm behind it.
    assert all("layers.3." in name or "post_layernorm" in name for name in missing)


def noise(seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (1, 32, 32, 3), dtype=torch.uint8, generator=generator)


def predict(model: VisionLanguageModel, ids: Tensor, tiles: Tensor, index: Tensor) -> Tensor:
    """The logits of one document."""
    sequence = model.embed(ids.masked_fill(ids == IMAGE_WORD, IMAGE_ID), tiles, index)
    return model.llm(sequence, torch.arange(len(ids)), Edges.of([len(ids)])) @ model.llm.head.T


def test_logits_are_equal(pair: tuple[VisionLanguageModel, LlavaForConditionalGeneration]) -> None:
    """Fp32 on a CPU: the same sums in another order of splicing and attending, so 1e-4 is generous."""
    ours, theirs = pair
    tiles, ids = noise(0), torch.tensor(IDS)
    with torch.no_grad():
        expected = theirs(input_ids=ids.unsqueeze(0), pixel_values=ours.encoder.normalise(tiles)).logits[0]
        logits = predict(ours, ids, tiles, torch.arange(16))
    assert (logits - expected).abs().max() <= 1e-4
    assert expected.std() > 1e-2


def test_greedy_tokens_are_equal(pair: tuple[VisionLanguageModel, LlavaForConditionalGeneration]) -> None:
    ours, theirs = pair
    with torch.no_grad():
        for weight in (*ours.parameters(), *theirs.parameters()):
            weight.mul_(3)  # random weights this small would always say the same word
    ids, mask = torch.tensor(IDS), torch.ones(1, len(IDS), dtype=torch.long)
    spoken = []
    for seed in range(3):
        tiles = noise(seed)
        pixels = ours.encoder.normalise(tiles)
        sequence = ours.embed(ids.masked_fill(ids == IMAGE_WORD, IMAGE_ID), tiles, torch.arange(16))
        mine = ours.llm.generate(sequence.detach().unsqueeze(0), mask, Decoding(12), [0])
        whole = theirs.generate(
            input_ids=ids.unsqueeze(0), pixel_values=pixels, attention_mask=mask, max_new_tokens=12,
            do_sample=False, eos_token_id=ours.llm.stop_ids, pad_token_id=ours.llm.tokenizer.pad_token_id,
        )  # fmt: skip
        assert mine[0].tolist() == whole[0, len(IDS) :].tolist()
        spoken += mine[0].tolist()
    assert len(set(spoken)) > 3


@pytest.mark.parametrize("size", [(40, 24), (24, 40), (33, 32), (90, 20)])
def test_logits_of_tiles_are_equal(size: tuple[int, int], compose: Compose, tmp_path: Path) -> None:
    """Against transformers' LLaVA-NeXT: its choice of grid, its unpadding, its ends of rows."""
    torch.manual_seed(0)
    config = compose(*words(tmp_path), "llm=vicuna7b", "image@stage.image=anyres")
    ours = build_model(config)
    ours.configure_model()
    theirs = LlavaNextForConditionalGeneration(
        LlavaNextConfig(
            vision_config=ours.encoder.config,
            text_config=ours.llm.config,
            image_token_index=IMAGE_WORD,
            vision_feature_layer=-2,
            image_grid_pinpoints=[[32 * rows, 32 * columns] for rows, columns in config.stage.image.grids],
        )
    )
    give(ours, theirs, {"model.image_newline": ours.projector.row_end})
    file = io.BytesIO()
    Image.effect_noise(size, 99).convert("RGB").save(file, "PNG")
    picture = build_image_transform(config, ours)(file.getvalue())
    ids = torch.tensor([1, 20, *[IMAGE_WORD] * len(picture.index), 30, 31])
    with torch.no_grad():
        expected = theirs.eval()(
            input_ids=ids.unsqueeze(0),
            pixel_values=ours.encoder.normalise(picture.tiles).unsqueeze(0),
            image_sizes=torch.tensor([size[::-1]]),
        ).logits[0]
        logits = predict(ours.eval(), ids, picture.tiles, picture.index)
    assert (logits - expected).abs().max() <= 1e-4
    assert expected.std() > 1e-2
