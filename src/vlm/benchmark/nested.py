"""Kinds within kinds: `image/Visual Reasoning` counts for itself and for `image`."""

from collections.abc import Mapping

from vlm.benchmark.tally import Column, means, ratio, total


def nested_means(sums: Mapping[str, Column], above: str, below: str, metric: str) -> dict[str, Column]:
    """Return what `tally.means` does, and `metric/<outer>` for each outer kind of `<outer>/<inner>` ones."""
    found = means(sums, above, below, metric)
    kinds = [key.removeprefix(f"{below}/") for key in sums if key.startswith(f"{below}/")]
    for outer in sorted({kind.split("/")[0] for kind in kinds if "/" in kind}):
        found[f"{metric}/{outer}"] = ratio(total(sums, f"{above}/{outer}"), total(sums, f"{below}/{outer}"))
    return found
