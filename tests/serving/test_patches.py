"""Where an answer looked, on the picture as it was sent."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.serving.conftest import Running, build, message
from vlm.data.image import ImageTransform
from vlm.data.sample import Prompt, Turn
from vlm.model.generate import Answerer
from vlm.serving.boxes import boxes_of_tiles
from vlm.serving.patches import look


def picture(width: int, height: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height)).save(file, "PNG")
    return file.getvalue()


def by_hand(answerer: Answerer, prompt: Prompt, answer: str) -> torch.Tensor:
    """Mean over layers, heads and the answer's positions, as transformers' own eager attention has it."""
    model, template = answerer.model, answerer.template
    asked = answerer.prepare_one(prompt, {})
    batch = answerer.join([asked])
    turns = [*prompt.earlier, Turn("human", prompt.text), Turn("gpt", answer)]
    whole = template.render(turns)
    from vlm.data.document import expand_images
    from vlm.data.tokens import IMAGE_ID, tokenize

    tokens = tokenize(whole, model.llm.tokenizer)
    ids, _ = expand_images(tokens, [len(one.index) for one in asked.pictures])
    ids = torch.from_numpy(ids)
    first = len(asked.ids)
    assert torch.equal(ids[:first], asked.ids)
    with torch.no_grad():
        embedded = model.embed(ids, batch.tiles, batch.visual_index)
        model.llm.network.set_attn_implementation("eager")
        read = model.llm.network.base_model(inputs_embeds=embedded.unsqueeze(0), output_attentions=True)
    layers = torch.stack([layer[0, :, first - 1 : -1].mean((0, 1)) for layer in read.attentions])
    return layers.mean(0)[ids == IMAGE_ID]


@pytest.mark.parametrize("several", [False, True])
def test_it_is_the_mean_over_layers_heads_and_words(
    several: bool, answerer: Answerer, prompts: list[Prompt]
) -> None:
    prompt = prompts[0]
    if several:
        earlier = (Turn("human", prompts[1].text), Turn("gpt", "red"))
        prompt = Prompt(prompts[0].text, prompts[1].images + prompts[0].images, earlier=earlier)
    maps = look(answerer, prompt, answerer.prepare_one(prompt, {}), "two blue squares")
    found = np.concatenate([np.array([tile.shares for tile in one.tiles]).flatten() for one in maps])
    expected = by_hand(answerer, prompt, "two blue squares").numpy()
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert [one.share for one in maps] == pytest.approx(
        [part.sum() for part in np.split(expected, len(maps))], abs=1e-5
    )
    assert 0 < sum(one.share for one in maps) < 1


def test_tokens_without_places_have_a_share_alone(data_folder: Path, prompts: list[Prompt]) -> None:
    answerer = build(data_folder, "projector=resampler64")
    [found] = look(answerer, prompts[0], answerer.prepare_one(prompts[0], {}), "red")
    assert found.tiles == []
    assert 0 < found.share < 1


@pytest.mark.parametrize("merge", ["flat", "spatial", "unpad"])
def test_each_tile_has_its_own(merge: str, data_folder: Path) -> None:
    answerer = build(
        data_folder, "image@stage.image=anyres", f"stage.image.merge={merge}", "stage.image.grids=[[1,2]]"
    )
    prompt = Prompt("<image>\nWhat is it?", (picture(100, 40),))
    [found] = look(answerer, prompt, answerer.prepare_one(prompt, {}), "red")
    assert len(found.tiles) == 3
    total = sum(np.array(tile.shares).sum() for tile in found.tiles)
    assert total == pytest.approx(found.share, abs=1e-5) if merge != "unpad" else 0 < total < found.share


@pytest.mark.parametrize(
    ("mode", "size", "boxes"),
    [
        ("resize", (100, 40), [(0, 0, 1, 1)]),
        ("pad", (100, 40), [(0, -0.75, 1, 1.75)]),
        ("crop", (100, 40), [(0.3, 0, 0.7, 1)]),
        ("pad", (40, 100), [(-0.75, 0, 1.75, 1)]),
        ("anyres", (100, 50), [(0, 0, 1, 1), (0, 0, 0.5, 1), (0.5, 0, 1, 1)]),
        ("anyres", (100, 25), [(0, 0, 1, 1), (0, -0.5, 0.5, 1.5), (0.5, -0.5, 1, 1.5)]),
    ],
)
def test_boxes_are_what_tiles_show(
    mode: str, size: tuple[int, int], boxes: list[tuple[float, float, float, float]]
) -> None:
    transform = ImageTransform(16, (0.5, 0.5, 0.5), (2, 2), mode, grids=[[1, 2]])
    found = boxes_of_tiles(transform, picture(*size))
    np.testing.assert_allclose(found, boxes, atol=1e-9)


def test_the_server_says_it(server: Running, prompts: list[Prompt], answerer: Answerer) -> None:
    import httpx2

    messages = [message(prompts[0]), {"role": "assistant", "content": "red"}]
    said = httpx2.post(f"{server.url}/v1/attention", json={"model": "tiny", "messages": messages}).json()
    [expected] = look(answerer, prompts[0], answerer.prepare_one(prompts[0], {}), "red")
    assert said["pictures"][0]["share"] == pytest.approx(expected.share)
    assert said["pictures"][0]["tiles"][0]["box"] == list(expected.tiles[0].box)
    unanswered = httpx2.post(f"{server.url}/v1/attention", json={"model": "tiny", "messages": messages[:1]})
    assert unanswered.status_code == 400
    long = [message(prompts[0]), {"role": "assistant", "content": "why? " * 3000}]
    said = httpx2.post(f"{server.url}/v1/attention", json={"model": "tiny", "messages": long}).json()
    assert said["error"]["code"] == "context_length_exceeded"
