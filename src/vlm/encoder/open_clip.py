"""Vision towers of open_clip's models: CLIP (Radford et al. 2021, arXiv:2103.00020) and its kin."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import open_clip
import torch
from torch import nn

from vlm.checkpoint import settle_hub
from vlm.encoder.layered import LayeredEncoder, drop_weights
from vlm.encoder.open_clip_tower import (
    CONFIG_FILE,
    build_tower,
    has_class_token,
    layers_of,
    read_config,
    read_preprocessing,
    small_tower,
)
from vlm.paths import part_files
from vlm.shapes import PatchFeatures, Pixels
from vlm.tensor_file import read_tensors

WEIGHTS_FILE = "open_clip_model.safetensors"
FILES = f"{CONFIG_FILE} and {WEIGHTS_FILE}"


class OpenCLIPEncoder(LayeredEncoder):
    """The vision tower of any of open_clip's models: its transformers, timm's, ResNets.

    Its sizes are measured on the meta device, where the tower is built and run without values.

    Args:
        architecture: One of `open_clip.list_models()`, or a configuration of open_clip's form; None reads
            `open_clip_config.json` of the folder.
        checkpoint: A tag of `open_clip.list_pretrained()`, such as `openai`; or a folder in open_clip's hub
            format, packaged or local.
        weights: `pretrained` reads the checkpoint; `random`; or a folder in hub format, or a file of
            weights, to read instead.
        layer: Which layer or layers; of a transformer its blocks, of a convolutional network its stages.
        class_token: Whether it is kept.
        mean: Of each channel in [0, 1]; None is what is published with the checkpoint.
        std: Of each channel in [0, 1]; None is what is published with the checkpoint.
        licence: Of the weights.

    Raises:
        ValueError: The architecture, its folder, the layer or the class token does not exist.
    """

    def __init__(
        self,
        architecture: str | Mapping[str, Any] | None,
        checkpoint: str,
        weights: str,
        layer: int | Sequence[int],
        class_token: bool,
        mean: Sequence[float] | None,
        std: Sequence[float] | None,
        licence: str,
    ) -> None:
        files = Path(part_files("encoder", checkpoint, weights, FILES))
        self._published = read_preprocessing(architecture, checkpoint, files)
        super().__init__(
            layer, class_token, mean or self._published["mean"], std or self._published["std"], licence
        )
        self.architecture, self.checkpoint, self.weights = architecture, checkpoint, weights
        self._files, self._config = files, read_config(architecture, files)
        self._check_layers()
        if len({self._maps[number][2:] for number in self._chosen}) > 1:
            raise ValueError(f"encoder.layer={self.layers} are of several grids; choose layers of one")
        if class_token and not has_class_token(self._whole):
            raise ValueError("encoder.class_token=true, but this encoder has none; set it to false")

    @classmethod
    def twin(cls, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Return the settings with few and narrow blocks, a grid of 4 x 4, and everything else."""
        files = Path(part_files("encoder", settings["checkpoint"], settings["weights"], FILES))
        config = read_config(settings["architecture"], files)
        return {
            **settings,
            "architecture": small_tower(config),
            "weights": "random",
            "mean": settings["mean"] or (0.5,) * 3,
            "std": settings["std"] or (0.5,) * 3,
        }

    def locate(self) -> None:
        """Find the weights, here or on the hub."""
        if self.weights == "random":
            return
        if self._files.is_dir():
            self._files /= WEIGHTS_FILE
        elif self.weights == "pretrained" and not self._files.is_file():
            self._files = self._from_hub()
        if not self._files.is_file():
            raise ValueError(f"encoder.checkpoint has no {self._files.name}; put it in {self._files.parent}")

    def _from_hub(self) -> Path:
        known = open_clip.get_pretrained_cfg(str(self.architecture), self.checkpoint)
        if not known:
            tags = ", ".join(open_clip.list_pretrained_tags_by_model(str(self.architecture)))
            raise ValueError(f"encoder.checkpoint={self.checkpoint} is no folder and none of {tags}")
        self.check_colors(self._published, f"open_clip of {self.architecture} {self.checkpoint}")
        if known.get("quick_gelu", False) != bool(self._config.get("quick_gelu", False)):
            raise ValueError(
                f"encoder.architecture={self.architecture} does not have the activation of the weights "
                f"{self.checkpoint}; choose its twin with (or without) -quickgelu in its name"
            )
        settle_hub(self.checkpoint)
        try:
            return Path(open_clip.download_pretrained(known))
        except Exception as error:  # the hub's client has many kinds
            raise ValueError(
                f"encoder.checkpoint={self.checkpoint} is not on this machine and no hub gives it "
                f"({type(error).__name__}); put {FILES} of {known.get('hf_hub', '').strip('/')} into a "
                "folder and say encoder.weights=FOLDER"
            ) from error

    @property
    def source(self) -> str:
        """The architecture and its tag, or the folder."""
        named = isinstance(self.architecture, str)
        return f"open_clip {self.architecture} {self.checkpoint}" if named else self.checkpoint

    @property
    def description(self) -> Mapping[str, Any]:
        """The architecture, as open_clip writes it."""
        return self._config

    @property
    def image_size(self) -> int:
        """As the architecture says."""
        return int(self._config["vision_cfg"]["image_size"])

    @cached_property
    def _whole(self) -> nn.Module:
        """The tower with all its layers, without values."""
        with torch.device("meta"):
            return build_tower(self._config)

    @cached_property
    def _maps(self) -> list[torch.Size]:
        """The shape of each layer's features of a picture: 1, dim, row, column."""
        with torch.device("meta"), torch.no_grad():
            pixels = torch.zeros(1, 3, self.image_size, self.image_size)
            taken = self._take(self._whole, pixels, None)
        return [features.shape for features in taken["image_intermediates"]]

    @property
    def num_layers(self) -> int:
        """Those of which it gives features."""
        return len(self._maps)

    @property
    def vision_dim(self) -> int:
        """The chosen layers' features side by side."""
        return sum(self._maps[number][1] for number in self._chosen)

    @property
    def grid(self) -> tuple[int, int]:
        """The chosen layers'; a row if the class token is kept."""
        rows, columns = self._maps[self._chosen[0]][2:]
        return (1, rows * columns + 1) if self.class_token else (rows, columns)

    @property
    def blocks(self) -> list[Sequence[nn.Module]]:
        """The tower's layers, up to the last chosen one."""
        return [layers_of(self.network)[: self._depth]]

    def _build(self, depth: int) -> nn.Module:
        return build_tower(self._config, depth)

    def _take(
        self, network: nn.Module, pixels: Pixels, layers: Sequence[int] | None, **options: bool
    ) -> dict[str, Any]:
        taken: dict[str, Any] = network.forward_intermediates(  # type: ignore[operator]
            pixels, indices=layers, stop_early=layers is not None, intermediates_only=True, **options
        )
        return taken

    def _features(self, network: nn.Module, pixels: Pixels) -> PatchFeatures:
        layers = sorted(set(self._chosen))
        # timm's convolutional networks do not know the option.
        options = {"output_extra_tokens": True} if self.class_token else {}
        taken = self._take(network, pixels, layers, **options)
        features = [layer.flatten(2).transpose(1, 2) for layer in taken["image_intermediates"]]
        if self.class_token:
            first = [prefix[:, :1] for prefix in taken["image_intermediates_prefix"]]
            features = [torch.cat(pair, dim=1) for pair in zip(first, features, strict=True)]
        by_layer = dict(zip(layers, features, strict=True))
        return torch.cat([by_layer[number] for number in self._chosen], dim=-1).contiguous()

    def _load(self, network: nn.Module) -> None:
        if self.weights == "random":
            return
        self.locate()
        known = set(self._whole.state_dict())
        tensors = {
            name.removeprefix("visual."): tensor.float()
            for name, tensor in read_tensors(self._files).items()
            if name.startswith("visual.")
        }
        wanted = {name: tensor for name, tensor in tensors.items() if name in network.state_dict()}
        try:
            lost = network.load_state_dict(wanted, strict=False).missing_keys
        except RuntimeError as error:
            raise self._damaged(str(error)) from error
        missing = set(lost) & self._needed()
        if missing or set(tensors) - known:
            raise self._damaged(
                f"it has no {min(missing)}" if missing else f"it has {min(set(tensors) - known)}"
            )

    def _needed(self) -> set[str]:
        """Return the weights and statistics that the features need."""
        with torch.device("meta"):
            network = self._build(self._depth)
        drop_weights(network, self._unused())
        return set(network.state_dict())

    def _damaged(self, reason: str) -> ValueError:
        return ValueError(
            f"{self._files} is damaged or does not fit its architecture ({reason}); copy it again"
        )
