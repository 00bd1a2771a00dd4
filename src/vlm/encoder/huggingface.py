"""Vision transformers of transformers: SigLIP, DINOv2, SAM, CLIP, ..."""

import copy
import inspect
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle
from transformers import AutoConfig, AutoModel, BaseImageProcessor

from vlm.checkpoint import check_stated, read_checkpoint, settle_hub
from vlm.encoder.layered import LayeredEncoder
from vlm.paths import part_files
from vlm.shapes import PatchFeatures, Pixels

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


class HuggingFaceEncoder(LayeredEncoder):
    """The vision transformer of a checkpoint in transformers' format.

    Args:
        checkpoint: A hub's name, or a folder.
        weights: `pretrained` reads the checkpoint; `random`; or a folder to read instead.
        config: What of its `config.json` (of the vision tower, where there are two) is known without its
            files: `model_type` and sizes, by transformers' names. None reads them from the files.
        image_size: Side of the picture, in pixels; None is the checkpoint's own, and any other needs a
            network that interpolates its positions.
        layer: Which block or blocks; of a transformer's outputs, the last ones are those of patches.
        class_token: Whether it is kept.
        mean: Of each channel in [0, 1]; None is what its files say.
        std: Of each channel in [0, 1]; None is what its files say.
        licence: Of the weights.

    Raises:
        ValueError: The folder or the layer does not exist, or the picture is smaller than a patch.
    """

    def __init__(
        self,
        checkpoint: str,
        weights: str,
        config: Mapping[str, Any] | None,
        image_size: int | None,
        layer: int | Sequence[int],
        class_token: bool,
        mean: Sequence[float] | None,
        std: Sequence[float] | None,
        licence: str,
    ) -> None:
        files = part_files("encoder", checkpoint, weights, FILES)
        stated = dict(config) if config else None
        known = AutoConfig.for_model(**stated) if stated else _read_config(files)
        mean, std = _colors(files, mean, std)
        super().__init__(layer, class_token, mean, std, licence)
        self.checkpoint, self.weights = checkpoint, weights
        self._files, self._stated, self.config = files, stated, known
        self._image_size = image_size or int(known.image_size)
        if self._image_size < self._patch_size:
            raise ValueError(
                f"encoder.image_size={self._image_size} is less than {self._patch_size}, a patch"
            )
        self._check_layers()
        if not self._num_others and class_token:  # the first is asked of every encoder: it may refuse
            raise ValueError("encoder.class_token=true, but this encoder has none; set it to false")

    @classmethod
    def twin(cls, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Return the settings with few and narrow blocks, a grid of 4 x 4, and everything else."""
        stated = settings["config"]
        if stated is None:
            files = part_files("encoder", settings["checkpoint"], settings["weights"], FILES)
            stated = _read_config(files).to_dict()
        side = 4 * int(stated["patch_size"])
        config = {**stated, "image_size": side} | {key: SMALL[key] for key in SMALL if key in stated}
        config["initializer_range"] = 0.02  # SAM's is 1e-10: its features would be zero but for rounding
        small = {"config": config, "image_size": side, "weights": "random"}
        return {**settings, **small} | {key: settings[key] or (0.5,) * 3 for key in ("mean", "std")}

    def locate(self) -> None:
        """Find the configurations, and hold what the settings state to them."""
        if self.weights == "random":
            return
        found = _read_config(self._files)
        check_stated(self._stated or {}, found, "encoder", self._files)
        self.config = found
        self.check_colors(_read_colors(self._files), f"{self._files}/preprocessor_config.json")

    @property
    def num_layers(self) -> int:
        """As the configuration says."""
        return int(self.config.num_hidden_layers)

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

    def _shortened(self, depth: int) -> Any:
        config = copy.deepcopy(self.config)
        config.num_hidden_layers = depth
        return config

    def _build(self, depth: int) -> nn.Module:
        network: nn.Module = AutoModel.from_config(self._shortened(depth), dtype=torch.float32)
        return network

    def _load(self, network: nn.Module) -> None:
        if self.weights == "random":
            return
        loaded, report = read_checkpoint(
            type(network), "encoder", self._files, FILES,
            config=network.config, dtype=torch.float32, output_loading_info=True,
        )  # fmt: skip
        lost = set(report["missing_keys"]) - set(self._unused())
        if lost:
            raise ValueError(f"encoder.checkpoint={self._files} lacks {min(lost)}; copy it again")
        network.load_state_dict(loaded.state_dict())

    @property
    def vision_dim(self) -> int:
        """The chosen blocks' features side by side."""
        return int(self.config.hidden_size) * len(self.layers)

    @property
    def _num_patches(self) -> int:
        return (self.image_size // self._patch_size) ** 2

    @cached_property
    def _num_others(self) -> int:
        """Features before those of patches: class token, registers; counted where nothing is computed."""
        with torch.device("meta"), torch.no_grad():
            pixels = torch.zeros(1, 3, self.image_size, self.image_size)
            made = self._outputs(self._build(self._depth), pixels).shape[1]
        if made < self._num_patches:
            raise ValueError(
                f"encoder.checkpoint={self.checkpoint} makes {made} features of a picture of "
                f"{self.image_size} pixels, less than its patches; choose a plain vision transformer"
            )
        return made - self._num_patches

    @property
    def grid(self) -> tuple[int, int]:
        """Image size over patch size, both ways; a row if the class token is kept."""
        side = self.image_size // self._patch_size
        return (1, side * side + 1) if self.class_token else (side, side)

    @property
    def blocks(self) -> list[Sequence[nn.Module]]:
        """The transformer's."""
        return [list(self._stack(self.network))]

    def _features(self, network: nn.Module, pixels: Pixels) -> PatchFeatures:
        features = self._outputs(network, pixels)
        patches = features[:, -self._num_patches :]
        return torch.cat([features[:, :1], patches], dim=1) if self.class_token else patches

    def _outputs(self, network: nn.Module, pixels: Pixels) -> PatchFeatures:
        """Return all that the chosen blocks make: the transformers of transformers return no others."""
        stack = self._stack(network)
        outputs: dict[int, Tensor] = {}

        def keep(number: int) -> RemovableHandle:
            def hook(block: nn.Module, inputs: object, output: Tensor | tuple[Tensor, ...]) -> None:
                outputs[number] = output if isinstance(output, Tensor) else output[0]

            return stack[number].register_forward_hook(hook)

        handles = [keep(number) for number in self._chosen]
        try:
            self._run(network, pixels)
        finally:
            for handle in handles:
                handle.remove()
        # Some networks keep their features as maps: image, row, column, dim.
        return torch.cat([outputs[number].flatten(1, -2) for number in self._chosen], dim=-1)

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


def _read_config(files: str) -> Any:
    """Return the configuration, or that of the vision tower of a model that has several towers."""
    config = read_checkpoint(AutoConfig, "encoder", files, FILES)
    return getattr(config, "vision_config", config)


def _colors(
    files: str, mean: Sequence[float] | None, std: Sequence[float] | None
) -> tuple[Sequence[float], Sequence[float]]:
    """Return what is set, and of the rest what was published."""
    known = {} if mean and std else _read_colors(files)
    known |= {key: value for key, value in {"mean": mean, "std": std}.items() if value}
    for key in ("mean", "std"):
        if key not in known:
            raise ValueError(
                f"encoder.checkpoint={files} does not say with what {key} it learned; "
                f"set encoder.{key}=[R,G,B]"
            )
    return known["mean"], known["std"]


def _read_colors(files: str) -> dict[str, Sequence[float]]:
    """Return the `mean` and `std` that the processor's file says, which a checkpoint may lack."""
    settle_hub(files)
    try:
        processor, _ = BaseImageProcessor.get_image_processor_dict(files)
    except OSError:
        return {}
    return {key: processor[f"image_{key}"] for key in ("mean", "std") if processor.get(f"image_{key}")}
