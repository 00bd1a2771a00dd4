"""Vision towers of open_clip's models: CLIP (Radford et al. 2021, arXiv:2103.00020) and its kin."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import open_clip
from torch import nn

from vlm.encoder.transformer import TransformerEncoder
from vlm.paths import part_files
from vlm.shapes import Pixels
from vlm.tensor_file import read_tensors

CONFIG_FILE = "open_clip_config.json"
WEIGHTS_FILE = "open_clip_model.safetensors"
FILES = f"{CONFIG_FILE} and {WEIGHTS_FILE}"


class OpenCLIPEncoder(TransformerEncoder):
    """A vision transformer of open_clip.

    Args:
        architecture: One of `open_clip.list_models()`, or a configuration of open_clip's form; None reads
            `open_clip_config.json` of the folder.
        checkpoint: A tag of `open_clip.list_pretrained()`, such as `openai`; or a folder in open_clip's hub
            format, packaged or local.
        weights: `pretrained` reads the checkpoint; `random`; or a folder in hub format, or a file of
            weights, to read instead.
        layer: Which block or blocks.
        class_token: Whether it is kept.
        mean: Of each channel in [0, 1].
        std: Of each channel in [0, 1].
        licence: Of the weights.

    Raises:
        ValueError: The architecture, its folder, or the layer does not exist.
    """

    def __init__(
        self,
        architecture: str | Mapping[str, Any] | None,
        checkpoint: str,
        weights: str,
        layer: int | Sequence[int],
        class_token: bool,
        mean: Sequence[float],
        std: Sequence[float],
        licence: str,
    ) -> None:
        super().__init__(layer, class_token, 1, mean, std, licence)
        self.architecture, self.checkpoint, self.weights = architecture, checkpoint, weights
        self._files = Path(part_files("encoder", checkpoint, weights, FILES))
        self._config = read_config(architecture, self._files)
        if not isinstance(self._vision.get("layers"), int) or "timm_model_name" in self._vision:
            raise ValueError(
                f"encoder.architecture={architecture} is no plain vision transformer; choose one"
            )
        self._check_layers()

    @classmethod
    def twin(cls, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Return the settings with few and narrow blocks, a grid of 4 x 4, and everything else."""
        files = Path(part_files("encoder", settings["checkpoint"], settings["weights"], FILES))
        config = read_config(settings["architecture"], files)
        patch_size = config["vision_cfg"]["patch_size"]
        small = {"layers": 4, "width": 32, "head_width": 8, "image_size": 4 * patch_size}
        text = {**config["text_cfg"], "width": 8, "heads": 1, "layers": 1, "vocab_size": 16}
        twin = {**config, "embed_dim": 8, "vision_cfg": config["vision_cfg"] | small, "text_cfg": text}
        return {**settings, "architecture": twin, "weights": "random"}

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
        for key, ours in {"mean": self.mean, "std": self.std}.items():
            theirs = known.get(key, ours)
            if max(abs(a - b) for a, b in zip(ours, theirs, strict=True)) > 1e-3:
                raise ValueError(f"encoder.{key} is {list(ours)}, but these weights learned with {theirs}")
        if known.get("quick_gelu", False) != bool(self._config.get("quick_gelu", False)):
            raise ValueError(
                f"encoder.architecture={self.architecture} does not have the activation of the weights "
                f"{self.checkpoint}; choose its twin with (or without) -quickgelu in its name"
            )
        try:
            return Path(open_clip.download_pretrained(known))
        except Exception as error:  # the hub's client has many kinds
            raise ValueError(
                f"encoder.checkpoint={self.checkpoint} is not on this machine and no hub gives it "
                f"({type(error).__name__}); put {FILES} of {known.get('hf_hub', '').strip('/')} into a "
                "folder and say encoder.weights=FOLDER"
            ) from error

    @property
    def _vision(self) -> dict[str, Any]:
        vision: dict[str, Any] = self._config["vision_cfg"]
        return vision

    @property
    def _num_layers(self) -> int:
        return int(self._vision["layers"])

    @property
    def _width(self) -> int:
        return int(self._vision["width"])

    @property
    def _patch_size(self) -> int:
        return int(self._vision["patch_size"])

    @property
    def source(self) -> str:
        """The architecture and its tag, or the folder."""
        named = isinstance(self.architecture, str)
        return f"open_clip {self.architecture} {self.checkpoint}" if named else self.checkpoint

    @property
    def image_size(self) -> int:
        """As the architecture says."""
        return int(self._vision["image_size"])

    def _build(self, num_layers: int) -> nn.Module:
        vision = self._vision | {"layers": num_layers}
        network: nn.Module = open_clip.CLIP(**(self._config | {"vision_cfg": vision})).visual
        return network

    def _stack(self, network: nn.Module) -> nn.ModuleList:
        return network.transformer.resblocks  # type: ignore[union-attr, return-value]

    def _run(self, network: nn.Module, pixels: Pixels) -> None:
        # The rest of its forward projects the class token's embedding, by weights that are not built.
        network.forward_intermediates(pixels, indices=1, intermediates_only=True)  # type: ignore[operator]

    def _load(self, network: nn.Module) -> None:
        if self.weights == "random":
            return
        self.locate()
        wanted = network.state_dict()
        tensors = {
            name.removeprefix("visual."): tensor.float()
            for name, tensor in read_tensors(self._files).items()
            if name.startswith("visual.")
        }
        skipped = "transformer.resblocks."  # blocks after the chosen one
        try:
            network.load_state_dict({n: t for n, t in tensors.items() if n in wanted or skipped not in n})
        except RuntimeError as error:
            raise ValueError(
                f"{self._files} is damaged or does not fit its architecture ({error}); copy it again"
            ) from error


def read_config(architecture: str | Mapping[str, Any] | None, files: Path) -> dict[str, Any]:
    """Return open_clip's configuration of a model.

    Raises:
        ValueError: There is no such architecture, or no configuration in the folder.
    """
    if isinstance(architecture, Mapping):
        return dict(architecture)
    if architecture is not None:
        known = open_clip.get_model_config(architecture)
        if known is None:
            raise ValueError(
                f"encoder.architecture={architecture} is none of open_clip.list_models(); choose one of them"
            )
        return dict(known)
    if not (files / CONFIG_FILE).is_file():
        raise ValueError(f"encoder.checkpoint={files} is no folder with {CONFIG_FILE}; give its path")
    config: dict[str, Any] = json.loads((files / CONFIG_FILE).read_text())["model_cfg"]
    return config
