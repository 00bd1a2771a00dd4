"""Vision transformers of transformers: SigLIP, DINOv2, SAM, CLIP, ..."""

import copy
import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from safetensors import SafetensorError
from torch import nn
from transformers import AutoConfig, AutoModel, BaseImageProcessor

from vlm.encoder.transformer import TransformerEncoder
from vlm.paths import part_files
from vlm.shapes import Pixels

FILES = "config.json, preprocessor_config.json and *.safetensors"
SMALL: Mapping[str, Any] = {
    "hidden_size": 32,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "mlp_dim": 64,
    "num_hidden_layers": 4,
    "output_channels": 8,
    "global_attn_indexes": [1],
    "window_size": 2,
}
"""Sizes of a twin, where its family has them."""


class HuggingFaceEncoder(TransformerEncoder):
    """The vision transformer of a checkpoint in transformers' format.

    Args:
        checkpoint: A hub's name, or a folder.
        weights: `pretrained` reads the checkpoint; `random`; or a folder to read instead.
        config: What of its `config.json` (of the vision tower, where there are two) is known without its
            files: `model_type` and sizes, by transformers' names. None reads them from the files.
        image_size: Side of the picture, in pixels; a size other than the checkpoint's own needs a network
            that interpolates its positions.
        layer: Which block or blocks.
        class_token: Whether it is kept.
        prefix_tokens: Features that come before those of patches.
        mean: Of each channel in [0, 1].
        std: Of each channel in [0, 1].
        licence: Of the weights.

    Raises:
        ValueError: The folder or the layer does not exist, or the picture is smaller than a patch.
    """

    def __init__(
        self,
        checkpoint: str,
        weights: str,
        config: Mapping[str, Any] | None,
        image_size: int,
        layer: int | Sequence[int],
        class_token: bool,
        prefix_tokens: int,
        mean: Sequence[float],
        std: Sequence[float],
        licence: str,
    ) -> None:
        super().__init__(layer, class_token, prefix_tokens, mean, std, licence)
        self.checkpoint, self.weights = checkpoint, weights
        self._files = part_files("encoder", checkpoint, weights, FILES)
        self._stated = dict(config) if config else None
        self._image_size = image_size
        self.config = AutoConfig.for_model(**self._stated) if self._stated else self._read_config()
        if image_size < self._patch_size:
            raise ValueError(f"encoder.image_size={image_size} is less than {self._patch_size}, a patch")
        self._check_layers()

    @classmethod
    def twin(cls, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Return the settings with few and narrow blocks, a grid of 4 x 4, and everything else."""
        stated = settings["config"]
        if stated is None:
            files = part_files("encoder", settings["checkpoint"], settings["weights"], FILES)
            stated = _vision(AutoConfig.from_pretrained(files)).to_dict()
        side = 4 * int(stated["patch_size"])
        config = {**stated, "image_size": side} | {key: SMALL[key] for key in SMALL if key in stated}
        return {**settings, "config": config, "image_size": side, "weights": "random"}

    def _read_config(self) -> Any:
        try:
            return _vision(AutoConfig.from_pretrained(self._files))
        except (OSError, ValueError) as error:
            raise ValueError(
                f"encoder.checkpoint={self._files} is no readable folder, and no hub gives it "
                f"({str(error).splitlines()[0]}); put {FILES} into a folder and say encoder.weights=FOLDER"
            ) from error

    def locate(self) -> None:
        """Find the configurations, and hold what the settings state to them."""
        if self.weights == "random":
            return
        found = self._read_config()
        for key, value in (self._stated or {}).items():
            actual = getattr(found, key, value)
            if actual != value:
                raise ValueError(
                    f"encoder.config.{key}={value}, but {self._files}/config.json says {actual}; "
                    "encoder.config=null takes what the files say"
                )
        self.config = found
        try:
            processor, _ = BaseImageProcessor.get_image_processor_dict(self._files)
        except OSError:
            return  # it may come without
        for key, ours in {"mean": self.mean, "std": self.std}.items():
            theirs = processor.get(f"image_{key}") or ours
            if max(abs(a - b) for a, b in zip(ours, theirs, strict=True)) > 1e-3:
                raise ValueError(
                    f"encoder.{key} is {list(ours)}, but {self._files}/preprocessor_config.json says {theirs}"
                )

    @property
    def _num_layers(self) -> int:
        return int(self.config.num_hidden_layers)

    @property
    def _width(self) -> int:
        return int(self.config.hidden_size)

    @property
    def _patch_size(self) -> int:
        return int(self.config.patch_size)

    @property
    def source(self) -> str:
        """The hub's name, or the folder."""
        return self.checkpoint

    @property
    def image_size(self) -> int:
        """As the settings say."""
        return self._image_size

    def _shortened(self, num_layers: int) -> Any:
        config = copy.deepcopy(self.config)
        config.num_hidden_layers = num_layers
        return config

    def _build(self, num_layers: int) -> nn.Module:
        network: nn.Module = AutoModel.from_config(self._shortened(num_layers), dtype=torch.float32)
        return network

    def _load(self, network: nn.Module) -> None:
        if self.weights == "random":
            return
        try:
            loaded, report = type(network).from_pretrained(  # type: ignore[attr-defined]
                self._files, config=network.config, dtype=torch.float32, output_loading_info=True
            )
        except OSError as error:
            raise ValueError(
                f"encoder.checkpoint={self._files} has no weights that can be read "
                f"({str(error).splitlines()[0]}); put {FILES} there"
            ) from error
        except (RuntimeError, SafetensorError) as error:
            raise ValueError(
                f"encoder.checkpoint={self._files} is damaged or does not fit its config.json ({error}); "
                "copy it again"
            ) from error
        with torch.device("meta"):
            unused = self._unused(self._build(self._num_layers + max(self.layers) + 1))
        lost = set(report["missing_keys"]) - set(unused)
        if lost:
            raise ValueError(f"encoder.checkpoint={self._files} lacks {min(lost)}; copy it again")
        network.load_state_dict(loaded.state_dict())

    def _stack(self, network: nn.Module) -> nn.ModuleList:
        for module in network.modules():
            if isinstance(module, nn.ModuleList) and len(module) == network.config.num_hidden_layers:  # type: ignore[union-attr]
                return module
        raise ValueError(f"encoder.checkpoint={self.checkpoint} is no plain vision transformer; choose one")

    def _run(self, network: nn.Module, pixels: Pixels) -> None:
        options = {}
        if self._image_size != getattr(self.config, "image_size", self._image_size):
            key = "interpolate_pos_encoding"
            options = {key: True} if key in inspect.signature(network.forward).parameters else {}
        network(pixels, **options)


def _vision(config: Any) -> Any:
    """Return the vision tower's configuration of a model that has several towers."""
    return getattr(config, "vision_config", config)
