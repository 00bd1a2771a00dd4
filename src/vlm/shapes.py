"""The named axes of every tensor that crosses a module's border.

image       pictures of a batch, or tiles     batch      rows of a padded batch (generation)
height      pixels, top to bottom            patch      patches of a picture, in raster order
width       pixels, left to right            token      tokens of a packed row, or of one picture
dim         size of a patch feature          document   conversations in a packed row
text_dim    size of an LLM embedding         source     names in a mixture
vocabulary  words the LLM knows
"""

from jaxtyping import Float, Int, UInt8
from torch import Tensor

Tiles = UInt8[Tensor, "image height width 3"]
"""Pictures, or squares of them, as they were decoded: not yet in an encoder's colors."""
Pixels = Float[Tensor, "image 3 height width"]
PatchFeatures = Float[Tensor, "image patch dim"]
FeatureMap = Float[Tensor, "image dim row column"]
VisualTokens = Float[Tensor, "image visual_token text_dim"]
VisualSequence = Float[Tensor, "visual text_dim"]
VisualIndex = Int[Tensor, " visual"]
"""Which of a batch's visual tokens, all pictures' end to end, are read, in order; -1 ends a row."""
TokenIds = Int[Tensor, " token"]
Sequence = Float[Tensor, "token text_dim"]
Boundaries = Int[Tensor, " document_edge"]
"""Where documents begin and end: document i holds tokens boundaries[i] to boundaries[i + 1]."""
SourceSums = Float[Tensor, " source"]
Scalar = Float[Tensor, ""]
PaddedSequence = Float[Tensor, "batch token text_dim"]
PaddedMask = Int[Tensor, "batch token"]
