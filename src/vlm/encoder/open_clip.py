"""Vision towers of open_clip's CLIP models (Radford et al. 2021, arXiv:2103.00020)."""

import json
from collections.abc import Sequence
from typing import Any

import open_clip
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from vlm.encoder.base import Encoder
from vlm.paths import checkpoint_path
from vlm.shapes import PatchFeatures, Pixels

CONFIG_FILE = "open_clip_config.json"
WEIGHTS_FILE = "open_clip_model.safetensors"


class OpenCLIPEncoder(Encoder):
    """The patch features of one block, raw: no final norm, no class token (LLaVA's choice).

    Args:
        checkpoint: A folder in open_clip's hub format (`open_clip_config.json` and
            `open_clip_model.safetensors`), packaged or local.
        weights: `pretrained`, or `random`.
        layer: Which hidden state; -1 is the output of the last block, -2 of the one before. Blocks after
            it are not built.
        mean: Of each channel in [0, 1].
        std: Of each channel in [0, 1].
        licence: Of the weights.

    Raises:
        ValueError: The folder, its weights, or the layer does not exist.
    """

    def __init__(
        self,
        checkpoint: str,
        weights: str,
        layer: int,
        mean: Sequence[float],
        std: Sequence[float],
        licence: str,
    ) -> None:
        super().__init__(mean, std, licence)
        if weights not in ("pretrained", "random"):
            raise ValueError(f"encoder.weights must be pretrained or random, got {weights}")
        folder = checkpoint_path(checkpoint)
        if folder is None or not (folder / CONFIG_FILE).is_file():
            raise ValueError(
                f"encoder.checkpoint={checkpoint} is no folder with {CONFIG_FILE}; give its path"
            )
        self._folder, self._weights = folder, weights
        self._config: dict[str, Any] = json.loads((folder / CONFIG_FILE).read_text())["model_cfg"]
        num_layers = self._vision["layers"]
        if not -num_layers <= layer < 0:
            raise ValueError(f"encoder.layer must be between -{num_layers} and -1, got {layer}")
        self.layer = layer

    @property
    def _vision(self) -> dict[str, Any]:
        vision: dict[str, Any] = self._config["vision_cfg"]
        return vision

    @property
    def vision_dim(self) -> int:
        """Width of the transformer."""
        return int(self._vision["width"])

    @property
    def image_size(self) -> int:
        """As the checkpoint was trained."""
        return int(self._vision["image_size"])

    @property
    def grid(self) -> tuple[int, int]:
        """Image size over patch size, both ways."""
        side = self.image_size // int(self._vision["patch_size"])
        return side, side

    def configure_model(self) -> None:
        """Build the vision tower and load its weights; a second call does nothing."""
        if hasattr(self, "tower"):
            return
        tower = open_clip.CLIP(**self._config).visual
        if self._weights == "pretrained":
            self._load(tower)
        # The blocks after the wanted one never run: neither build gradients for them nor save them.
        blocks = tower.transformer.resblocks
        tower.transformer.resblocks = blocks[: len(blocks) + self.layer + 1]
        # Nor do the parts that only the class token's embedding needs.
        tower.ln_post, tower.proj = nn.Identity(), None
        self.tower = tower

    def _load(self, tower: nn.Module) -> None:
        path = self._folder / WEIGHTS_FILE
        if not path.is_file():
            raise ValueError(f"encoder.checkpoint has no {WEIGHTS_FILE}; put it in {self._folder}")
        prefix = "visual."
        try:
            tensors = {
                name.removeprefix(prefix): tensor.float()
                for name, tensor in load_file(path).items()
                if name.startswith(prefix)
            }
            tower.load_state_dict(tensors)
        except (RuntimeError, SafetensorError) as error:
            raise ValueError(
                f"{path} is damaged or does not fit {CONFIG_FILE} beside it ({error}); copy it again"
            ) from error

    def forward(self, pixels: Pixels) -> PatchFeatures:
        """Return the hidden state of the chosen block."""
        outputs = self.tower.forward_intermediates(
            pixels, indices=1, intermediates_only=True, output_fmt="NLC"
        )
        features: PatchFeatures = outputs["image_intermediates"][0]
        return features
