"""The three parts joined: encode, project, splice, predict."""

from collections.abc import Sequence as Several
from pathlib import Path

import lightning
import torch
from jaxtyping import Int
from torch import Tensor

from vlm.data.batch import PackedBatch
from vlm.data.tokens import IMAGE_ID
from vlm.encoder.base import Encoder
from vlm.llm.base import LLM
from vlm.llm.decoding import Decoding
from vlm.model.beginnings import pad_prompts
from vlm.model.loss import language_loss
from vlm.model.splice import splice
from vlm.projector.base import Projector
from vlm.projector.weights import load_projector
from vlm.shapes import Sequence, SourceSums, Tiles, TokenIds, VisualIndex


class VisionLanguageModel(lightning.LightningModule):
    """Read pictures and text; predict the token after each position.

    Args:
        encoder: Pixels to patch features.
        projector: Patch features to visual tokens.
        llm: Sequence to hidden states, hidden states to words.
        projector_weights: A file that the projector starts from; None starts it at random.
        row_end: Whether the projector learns a vector that ends the rows of a picture's visual tokens.
    """

    def __init__(
        self,
        encoder: Encoder,
        projector: Projector,
        llm: LLM,
        projector_weights: Path | None = None,
        row_end: bool = False,
    ) -> None:
        super().__init__()
        self.encoder, self.projector, self.llm = encoder, projector, llm
        self.projector_weights, self.row_end = projector_weights, row_end
        self._configured = False

    def configure_model(self) -> None:
        """Build the three parts; a second call does nothing."""
        if self._configured:
            return
        self._configured = True
        for part in (self.encoder, self.projector, self.llm):
            part.configure_model()
        if self.row_end:
            self.projector.add_row_end()
        if self.projector_weights:
            load_projector(self.projector, self.projector_weights)

    def embed(self, ids: TokenIds, tiles: Tiles, visual_index: VisualIndex) -> Sequence:
        """Return the words' embeddings, with the indexed visual tokens, in order, at every `IMAGE_ID`."""
        # A batch of text alone still runs encoder and projector, on one blank picture whose tokens are
        # dropped: on several devices every rank must do the same work, or their collectives hang.
        seen = tiles if len(tiles) else tiles.new_zeros(1, *tiles.shape[1:])
        visual = self.projector(self.encoder(self.encoder.normalise(seen))).flatten(0, 1)
        if self.projector.row_end is not None:  # the last: an index of -1 finds it
            visual = torch.cat([visual, self.projector.row_end.to(visual.dtype).unsqueeze(0)])
        # The sentinel has no row in the vocabulary; what is looked up for it is overwritten.
        embedded = self.llm.embed(ids.masked_fill(ids == IMAGE_ID, 0))
        return splice(embedded, visual[visual_index], ids)

    def hidden_states(self, batch: PackedBatch) -> Sequence:
        """Return the last hidden states."""
        sequence = self.embed(batch.ids, batch.tiles, batch.visual_index)
        return self.llm(sequence, batch.position_ids, batch.edges)

    def forward(self, batch: PackedBatch) -> SourceSums:
        """Return the summed cross-entropy (nats) of what the batch teaches of each source."""
        return language_loss(self.hidden_states(batch), self.llm.head, batch.learned, self.llm.logit_cap)

    @torch.no_grad()
    def generate(
        self,
        prompts: Several[Tensor],  # of several lengths, which no named axis could be
        tiles: Tiles,
        visual_index: VisualIndex,
        decoding: Decoding,
        seeds: Several[int],
    ) -> Int[Tensor, "batch new_token"]:
        """Continue prompts in one left-padded batch; return the new ids only.

        Args:
            prompts: Ids of each, with `IMAGE_ID` once for each visual token.
            tiles: Of all pictures.
            visual_index: Which visual tokens of the tiles take those places, in order.
            decoding: How words are chosen.
            seeds: Of each prompt, where words are drawn.
        """
        embedded = self.embed(torch.cat(list(prompts)), tiles, visual_index)
        padded = pad_prompts(prompts, visual_index, torch.split(embedded, [len(ids) for ids in prompts]))
        return self.llm.generate(padded.sequence, padded.mask, decoding, seeds, padded.shared)
