"""Visual tokens take the places that the ids keep for them."""

from vlm.data.tokens import IMAGE_ID
from vlm.shapes import Sequence, TokenIds, VisualSequence


def splice(embedded: Sequence, visual: VisualSequence, ids: TokenIds) -> Sequence:
    """Return the embedded words with the visual tokens, in order, at every `IMAGE_ID`.

    Raises:
        ValueError: The ids keep more or fewer places than there are visual tokens.
    """
    places = ids == IMAGE_ID
    num_places, num_visual = int(places.sum()), len(visual)
    if num_places != num_visual:
        raise ValueError(
            f"the batch keeps {num_places} places for visual tokens and the projector made {num_visual}; "
            "projector.output_grid must agree with its forward"
        )
    return embedded.masked_scatter(places.unsqueeze(-1), visual.to(embedded.dtype))
