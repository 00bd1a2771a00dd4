"""Where on a picture an answer looked: which patches its words attended to, as a map over the picture.

What is shown is the probability that attention puts on each visual token, the mean over all heads of a layer,
all layers of the LLM, and all positions that predict a token of the answer, its end among them. All tokens of
the conversation together have 1; what is not on pictures is on words. A visual token stands for the patch at
its place, if the projector keeps places. The encoder has exchanged information between patches before, so a
map says where the LLM read, not what decided the answer (Jain and Wallace 2019, arXiv:1902.10186). Some
patches draw attention whatever is asked (Darcet et al. 2024, arXiv:2309.16588).
"""

import threading
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from vlm.data.batch import pack
from vlm.data.document import Document, expand_images
from vlm.data.image import ImageTransform, Picture
from vlm.data.sample import Prompt, Turn
from vlm.data.tiles import ROW_END
from vlm.data.tokens import IGNORE_ID, IMAGE_ID, tokenize
from vlm.llm.attention_map import AttentionMap
from vlm.model.generate import Answerer, ContextError, PreparedPrompt
from vlm.serving.boxes import Box, boxes_of_tiles

_ONE_AT_A_TIME = threading.Lock()
"""Noting takes the place of the attention of all models."""


@dataclass(frozen=True)
class TileMap:
    """Attention on the visual tokens of a tile.

    Args:
        box: What the tile shows.
        shares: [row][column], each in [0, 1]; 0 where a token is not read.
    """

    box: Box
    shares: list[list[float]]


@dataclass(frozen=True)
class PictureMap:
    """Attention on a picture.

    Args:
        share: Of all its visual tokens, in [0, 1].
        tiles: By tile; none if the projector's tokens have no places.
    """

    share: float
    tiles: list[TileMap]


def look(answerer: Answerer, prompt: Prompt, prepared: PreparedPrompt, answer: str) -> list[PictureMap]:
    """Return where an answer looked, for each picture of the prompt.

    Args:
        answerer: Whose model reads it again.
        prompt: What was asked.
        prepared: The same, in tokens and pictures.
        answer: What was said.

    Raises:
        ContextError: Prompt and answer are longer than the context.
        ValueError: There is no answer.
    """
    turns = [*prompt.earlier, Turn("human", prompt.text), Turn("gpt", answer)]
    llm, pictures = answerer.model.llm, prepared.pictures
    tokens = tokenize(answerer.template.render(turns), llm.tokenizer)
    ids, labels = expand_images(tokens, [len(picture.index) for picture in pictures])
    if len(ids) > llm.context_length:
        raise ContextError(len(ids), llm.context_length, prompt.text)
    places = _answer_places(labels)
    if not len(places):
        raise ValueError("there is no answer whose attention could be shown")
    shares = _read(answerer, Document("asked/0", ids, labels, pictures), places)
    ends = np.cumsum([len(picture.index) for picture in pictures])
    each = np.split(shares[ids == IMAGE_ID], ends[:-1]) if pictures else []
    return [
        _map(answerer.image_transform, image, picture, of_picture)
        for image, picture, of_picture in zip(prompt.images, pictures, each, strict=True)
    ]


def _answer_places(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the positions whose next token is of the last supervised stretch."""
    places = np.flatnonzero(labels[1:] != IGNORE_ID)
    breaks = np.flatnonzero(np.diff(places) > 1)
    return places[breaks[-1] + 1 :] if len(breaks) else places


@torch.no_grad()
def _read(answerer: Answerer, document: Document, places: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the share of each token, the mean over layers."""
    model, transform = answerer.model, answerer.image_transform
    batch = pack([document], transform.tokens_per_tile, transform.size)
    row = model.transfer_batch_to_device(batch, model.device, 0)
    noted = AttentionMap(torch.from_numpy(places).to(model.device))
    # CUDA's varlen kernel knows no float32.
    in_bits = model.device.type == "cuda" and model.dtype == torch.float32
    with _ONE_AT_A_TIME, noted.noted(), torch.autocast("cuda", torch.bfloat16, enabled=in_bits):
        model.hidden_states(row)
    shares: NDArray[np.float32] = torch.stack(noted.layers).mean(0).cpu().numpy()
    return shares


def _map(
    transform: ImageTransform, image: bytes, picture: Picture, shares: NDArray[np.float32]
) -> PictureMap:
    rows, columns = transform.token_grid
    if rows == 1 < columns:
        return PictureMap(float(shares.sum()), [])
    whole = np.zeros(len(picture.tiles) * rows * columns, dtype=np.float64)
    index = picture.index.numpy()
    whole[index[index != ROW_END]] = shares[index != ROW_END]
    boxes = boxes_of_tiles(transform, image)
    tiles = whole.reshape(-1, rows, columns).tolist()
    return PictureMap(float(shares.sum()), [TileMap(*both) for both in zip(boxes, tiles, strict=True)])
