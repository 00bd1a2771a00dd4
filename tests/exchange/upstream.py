"""Small checkpoints as others write them, and transformers' own model of each."""

import io
import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor
from transformers import (
    AutoTokenizer,
    CLIPImageProcessor,
    CLIPVisionConfig,
    CLIPVisionModel,
    LlamaConfig,
    LlamaForCausalLM,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaNextConfig,
    LlavaNextForConditionalGeneration,
    PreTrainedModel,
)

from vlm.build import build_image_transform, build_model
from vlm.compose import compose_sentence
from vlm.data.batch import Edges
from vlm.data.tokens import IMAGE_ID
from vlm.exchange.foreign import Foreign, recognise
from vlm.model.vision_language import VisionLanguageModel
from vlm.paths import assets_dir

IMAGE_WORD = 570
"""The row of the word `<image>`, after the 570 of the packaged tokenizer; ours looks it up never."""
NUM_ROWS = 576
SIDE = 32
VISION = CLIPVisionConfig(
    hidden_size=32, intermediate_size=64, num_hidden_layers=4, num_attention_heads=4, image_size=SIDE,
    patch_size=8,
)  # fmt: skip
TEXT = LlamaConfig(
    vocab_size=NUM_ROWS, hidden_size=48, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
    num_key_value_heads=2, max_position_embeddings=512, rms_norm_eps=1e-5,
    rope_parameters={"rope_theta": 5e3, "rope_type": "default"},
)  # fmt: skip
GRIDS = [[1, 2], [2, 1], [2, 2]]


def llava(**settings: Any) -> LlavaForConditionalGeneration:
    """transformers' LLaVA, with random weights."""
    torch.manual_seed(0)
    parts = {"vision_config": VISION, "text_config": TEXT, "image_token_index": IMAGE_WORD}
    return lively(LlavaForConditionalGeneration(LlavaConfig(**(parts | settings))))


def llava_next(**settings: Any) -> LlavaNextForConditionalGeneration:
    """transformers' LLaVA-NeXT, with random weights."""
    torch.manual_seed(0)
    sizes = [[SIDE * rows, SIDE * columns] for rows, columns in GRIDS]
    parts = {
        "vision_config": VISION, "text_config": TEXT, "image_token_index": IMAGE_WORD,
        "image_grid_pinpoints": sizes,
    }  # fmt: skip
    return lively(LlavaNextForConditionalGeneration(LlavaNextConfig(**(parts | settings))))


def lively(model: Any) -> Any:
    """Weights this small as they are drawn would always say the same word."""
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(torch.randn_like(weight) * (0.3 if weight.ndim > 1 else 0.1))
            if weight.ndim == 1:
                weight.add_(0.7)
    return model.eval()


def write_tokenizer(folder: Path) -> None:
    """The packaged tokenizer, with a word that ours has no use for."""
    tokenizer = AutoTokenizer.from_pretrained(assets_dir() / "tiny_llama")
    tokenizer.add_tokens(["<image>"], special_tokens=True)
    assert tokenizer.convert_tokens_to_ids("<image>") == IMAGE_WORD
    tokenizer.save_pretrained(folder)


def copy_tokenizer(folder: Path) -> None:
    """The packaged tokenizer, as it is."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(assets_dir() / "tiny_llama" / name, folder)


def processor(**settings: Any) -> CLIPImageProcessor:
    """CLIP's, for the small tower."""
    sizes = {"size": {"shortest_edge": SIDE}, "crop_size": {"height": SIDE, "width": SIDE}}
    return CLIPImageProcessor(**(sizes | settings))


def rename(tensors: Mapping[str, Tensor], names: Mapping[str, str]) -> dict[str, Tensor]:
    """Tensors whose names begin otherwise; the first beginning that fits counts."""
    renamed = {}
    for name, tensor in tensors.items():
        old, new = next((old, new) for old, new in names.items() if name.startswith(old))
        renamed[new + name.removeprefix(old)] = tensor.detach().clone().contiguous()
    return renamed


TO_LLAVA = {
    "model.language_model.": "model.",
    "lm_head.": "lm_head.",
    "model.vision_tower.": "model.vision_tower.vision_tower.vision_model.",
    "model.multi_modal_projector.linear_1.": "model.mm_projector.0.",
    "model.multi_modal_projector.linear_2.": "model.mm_projector.2.",
    "model.image_newline": "model.image_newline",
}
"""What transformers 5 calls its modules, and what LLaVA calls them."""
TO_HUB = {
    "model.language_model.": "language_model.model.",
    "lm_head.": "language_model.lm_head.",
    "model.vision_tower.": "vision_tower.vision_model.",
    "model.multi_modal_projector.": "multi_modal_projector.",
    "model.image_newline": "image_newline",
}
"""The same, as transformers 4 wrote the models of `llava-hf`."""

LLAVA_SETTINGS: Mapping[str, Any] = {
    "architectures": ["LlavaLlamaForCausalLM"],
    "model_type": "llava_llama",
    "_name_or_path": "somewhere/else",
    "vocab_size": NUM_ROWS,
    "hidden_size": 48,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "rms_norm_eps": 1e-5,
    "rope_theta": 5000.0,
    "rope_scaling": None,
    "hidden_act": "silu",
    "tie_word_embeddings": False,
    "torch_dtype": "float16",
    "transformers_version": "4.31.0",
    "use_cache": True,
    "pad_token_id": 0,
    "freeze_mm_mlp_adapter": False,
    "image_aspect_ratio": "pad",
    "mm_hidden_size": 32,
    "mm_projector_type": "mlp2x_gelu",
    "mm_use_im_patch_token": False,
    "mm_use_im_start_end": False,
    "mm_vision_select_feature": "patch",
    "mm_vision_select_layer": -2,
    "tokenizer_model_max_length": 256,
    "unfreeze_mm_vision_tower": False,
    "use_mm_proj": True,
}
"""What LLaVA's `config.json` says, with the sizes of the small LLM."""


def write_tower(model: PreTrainedModel, folder: Path) -> Path:
    """The tower of a model as transformers publishes it."""
    tower = CLIPVisionModel(model.config.vision_config)
    tower.load_state_dict(model.model.vision_tower.state_dict())
    tower.save_pretrained(folder)
    processor().save_pretrained(folder)
    return folder


def write_llava(folder: Path, tensors: Mapping[str, Tensor], **settings: Any) -> Path:
    """A folder of LLaVA's, in two shards of torch's format."""
    copy_tokenizer(folder)
    write_json(folder / "config.json", {**LLAVA_SETTINGS, **settings})
    names = sorted(tensors)
    shards = {"pytorch_model-00001-of-00002.bin": names[::2], "pytorch_model-00002-of-00002.bin": names[1::2]}
    for shard, held in shards.items():
        torch.save({name: tensors[name] for name in held}, folder / shard)
    index = {name: shard for shard, held in shards.items() for name in held}
    write_json(folder / "pytorch_model.bin.index.json", {"metadata": {}, "weight_map": index})
    return folder


def whole(model: Any) -> dict[str, Tensor]:
    """LLaVA's tensors, those of its tower among them, as DeepSpeed saves them."""
    return rename(model.state_dict(), TO_LLAVA)


def released(model: Any) -> dict[str, Tensor]:
    """Without the tower, as LLaVA's authors publish them."""
    return {
        name: tensor for name, tensor in whole(model).items() if not name.startswith("model.vision_tower.")
    }


def write_base(theirs: Any, folder: Path) -> Path:
    """The LLM alone, as transformers publishes it."""
    llm = LlamaForCausalLM(theirs.config.text_config)
    llm.model.load_state_dict(theirs.model.language_model.state_dict())
    llm.lm_head.load_state_dict(theirs.lm_head.state_dict())
    llm.save_pretrained(folder)
    copy_tokenizer(folder)
    return folder


def write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value))


def change_json(path: Path, **values: Any) -> None:
    write_json(path, {**json.loads(path.read_text()), **values})


def write_safetensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    save_file(dict(tensors), path, {"format": "pt"})


def load(
    folder: Path, base: Path | None = None, more: Iterable[str] = ()
) -> tuple[VisionLanguageModel, DictConfig, Foreign]:
    """Our model of a folder, its sentence, and what was recognised."""
    foreign = recognise(folder, base)
    assert foreign is not None
    config = compose_sentence([*foreign.words, *more]).config
    model = build_model(config)
    model.configure_model()
    foreign.load(model)
    return model.eval(), config, foreign


def picture(width: int = 50, height: int = 37) -> bytes:
    """A PNG of noise."""
    file = io.BytesIO()
    pixels = torch.randint(0, 256, (height, width, 3), generator=torch.Generator().manual_seed(7))
    Image.fromarray(pixels.byte().numpy()).save(file, "PNG")
    return file.getvalue()


def picture_of(width: int = 50, height: int = 37) -> Image.Image:
    """The same, read."""
    return Image.open(io.BytesIO(picture(width, height)))


def ids_around(num_visual: int) -> Tensor:
    """A prompt with the places of one picture."""
    return torch.tensor([1, 20, 21, *[IMAGE_WORD] * num_visual, 30, 31, 32, 33])


@torch.no_grad()
def our_logits(model: VisionLanguageModel, config: DictConfig, image: bytes) -> Tensor:
    """What we say of each next word."""
    prepared = build_image_transform(config, model)(image)
    ids = ids_around(len(prepared.index))
    sequence = model.embed(ids.masked_fill(ids == IMAGE_WORD, IMAGE_ID), prepared.tiles, prepared.index)
    return model.llm(sequence, torch.arange(len(ids)), Edges.of([len(ids)])) @ model.llm.head.T


@torch.no_grad()
def their_logits(model: Any, num_visual: int, pixels: Tensor, **options: Any) -> Tensor:
    """What transformers says of each next word."""
    logits: Tensor = model(input_ids=ids_around(num_visual)[None], pixel_values=pixels, **options).logits[0]
    return logits


def assert_equal(ours: Tensor, theirs: Tensor) -> None:
    """Fp32 on a CPU: the same sums in another order of splicing and attending."""
    assert theirs.std() > 0.1
    assert (ours - theirs).abs().max() <= 1e-4
