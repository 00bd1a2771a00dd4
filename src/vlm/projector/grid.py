"""Between patches in raster order and maps with rows and columns."""

from einops import rearrange

from vlm.shapes import FeatureMap, PatchFeatures


def to_map(features: PatchFeatures, grid: tuple[int, int]) -> FeatureMap:
    """Lay patches out on their grid."""
    return rearrange(features, "image (row column) dim -> image dim row column", row=grid[0], column=grid[1])


def to_patches(features: FeatureMap) -> PatchFeatures:
    """Read a map in raster order."""
    return rearrange(features, "image dim row column -> image (row column) dim")


def reduced(grid: tuple[int, int], factor: int) -> tuple[int, int]:
    """Return the grid of blocks of `factor` x `factor` patches; a last, smaller block counts.

    Raises:
        ValueError: The factor is below 1, or the features have no rows and columns.
    """
    if grid[0] == 1 < grid[1]:
        raise ValueError(
            f"this projector reads rows and columns, and the encoder gives a row of {grid[1]} features; "
            "set encoder.class_token=false or choose projector=mlp2"
        )
    if factor < 1:
        raise ValueError(f"projector.factor must be at least 1, got {factor}")
    return -(-grid[0] // factor), -(-grid[1] // factor)
