"""What a finished run says of itself."""

from pathlib import Path
from typing import Any

from vlm.config import PARTS
from vlm.data.image import ImageTransform
from vlm.model.vision_language import VisionLanguageModel
from vlm.run.fingerprint import files_hash
from vlm.tracking.provenance import provenance
from vlm.training.parts import kind_of, learning_parts


def describe_run(
    model: VisionLanguageModel, transform: ImageTransform, weights: Path, identity: dict[str, Any]
) -> dict[str, Any]:
    """Return parts with their shapes and hashes, how text and pictures are prepared, and the provenance."""
    learned = learning_parts(model)
    parts = {}
    for name in PARTS:
        part = model.get_submodule(name)
        parts[name] = {
            "class": f"{kind_of(part).__module__}.{kind_of(part).__qualname__}",
            "licence": getattr(part, "licence", None),
            "learned": name in learned,
            "parameters": {
                key: {"shape": list(weight.shape), "dtype": str(weight.dtype).removeprefix("torch.")}
                for key, weight in part.named_parameters()
            },
        }
        if name in learned:
            folder = weights / name  # an adapter's
            parts[name]["sha256"] = files_hash(folder if folder.is_dir() else weights / f"{name}.safetensors")
    return {
        "identity": identity,
        "parts": parts,
        "template": vars(model.llm.template) | {"class": type(model.llm.template).__name__},
        "image": vars(transform),
        "provenance": provenance(),
    }
