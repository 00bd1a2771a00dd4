"""Prompts with pictures to answers, many at once."""

from collections.abc import Sequence

import torch

from vlm.data.batch import join_pictures
from vlm.data.document import expand_images
from vlm.data.image import ImageTransform
from vlm.data.sample import Turn
from vlm.data.template import Template
from vlm.data.tokens import Span, tokenize
from vlm.model.vision_language import VisionLanguageModel


@torch.no_grad()
def answer(
    model: VisionLanguageModel,
    template: Template,
    image_transform: ImageTransform,
    questions: Sequence[tuple[str, Sequence[bytes]]],
    max_new_tokens: int,
) -> list[str]:
    """Answer questions greedily, in one left-padded batch.

    Args:
        model: Built, in evaluation mode.
        template: The one that the model was tuned with.
        image_transform: The one that the model was tuned with.
        questions: Text with `<image>` where its pictures belong, and their encoded bytes.
        max_new_tokens: An answer is cut there.
    """
    rows, pictures = [], []
    for text, images in questions:
        prompt = template.prompt([Turn("human", text)])
        tokens = tokenize([Span(prompt)], model.llm.tokenizer)
        prepared = [image_transform(image) for image in images]
        lengths = [len(picture.index) for picture in prepared]
        rows.append(torch.from_numpy(expand_images(tokens, lengths)[0]))
        pictures += prepared
    tiles, index = join_pictures(pictures, image_transform.tokens_per_tile, image_transform.size)
    here = [tensor.to(model.device) for tensor in (*rows, tiles, index)]
    new_ids = model.generate(here[:-2], here[-2], here[-1], max_new_tokens)
    texts: list[str] = model.llm.tokenizer.batch_decode(new_ids, skip_special_tokens=True)
    return [text.strip() for text in texts]
