"""The meta device, where tensors have shapes and no values."""

import torch


def builds_shapes_only() -> bool:
    """Whether modules are being built on the meta device, so that there is nothing to load into."""
    return torch.get_default_device().type == "meta"
