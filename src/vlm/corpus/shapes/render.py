"""From a scene to a picture: 72 x 72 pixels, nine places of 24, soft edges, jitter and noise."""

from random import Random

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from vlm.corpus.shapes.scene import Scene, Shape, Word

PLACE_SIZE = 24  # pixels
IMAGE_SIZE = 3 * PLACE_SIZE
SUPERSAMPLING = 4
RADIUS = {"small": (4.5, 6.0), "large": (8.5, 10.0)}  # pixels
INK = {
    "red": (220, 40, 40), "green": (40, 170, 60), "blue": (50, 80, 230), "yellow": (240, 220, 50),
    "orange": (245, 140, 30), "purple": (150, 50, 190), "cyan": (60, 210, 220), "white": (240, 240, 240),
}  # fmt: skip
PLACE_JITTER = 2.0  # pixels, each way
COLOR_JITTER = 14  # of 255
NOISE = 6.0  # standard deviation, of 255

Point = tuple[float, float]


def render(scene: Scene, random: Random) -> Image.Image:
    """Draw the scene; `random` moves, sizes and tints each thing a little."""
    shade = random.randint(15, 60)
    canvas = Image.new("RGB", (IMAGE_SIZE * SUPERSAMPLING,) * 2, (shade,) * 3)
    draw = ImageDraw.Draw(canvas)
    for thing in scene.things:
        draw_thing = _draw_word if isinstance(thing, Word) else _draw_shape
        draw_thing(draw, thing, random)  # type: ignore[arg-type]
    small = canvas.resize((IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.BOX)
    noise = np.random.default_rng(random.getrandbits(32)).normal(0, NOISE, (IMAGE_SIZE, IMAGE_SIZE, 3))
    return Image.fromarray(np.clip(np.asarray(small) + noise, 0, 255).astype(np.uint8))


def _center(place: int, margin: float, random: Random) -> Point:
    """A point near the place's center, `margin` pixels from its border, in supersampled pixels."""
    row, column = divmod(place, 3)
    slack = min(PLACE_JITTER, PLACE_SIZE / 2 - margin)
    x = (column + 0.5) * PLACE_SIZE + random.uniform(-slack, slack)
    y = (row + 0.5) * PLACE_SIZE + random.uniform(-slack, slack)
    return x * SUPERSAMPLING, y * SUPERSAMPLING


def _tint(color: str, random: Random) -> tuple[int, ...]:
    return tuple(min(255, max(0, c + random.randint(-COLOR_JITTER, COLOR_JITTER))) for c in INK[color])


def _draw_shape(draw: ImageDraw.ImageDraw, shape: Shape, random: Random) -> None:
    radius = random.uniform(*RADIUS[shape.size])
    x, y = _center(shape.place, radius, random)
    r = radius * SUPERSAMPLING
    ink = _tint(shape.color, random)
    box = (x - r, y - r, x + r, y + r)
    if shape.kind == "circle":
        draw.ellipse(box, fill=ink)
    elif shape.kind == "ring":
        draw.ellipse(box, outline=ink, width=round(0.38 * r))
    elif shape.kind == "square":
        draw.rectangle((x - 0.85 * r, y - 0.85 * r, x + 0.85 * r, y + 0.85 * r), fill=ink)
    else:
        draw.polygon([(x + a * r, y + b * r) for a, b in _CORNERS[shape.kind]], fill=ink)


_CORNERS: dict[str, list[Point]] = {
    "triangle": [(0, -1), (0.95, 0.8), (-0.95, 0.8)],
    "diamond": [(0, -1), (0.7, 0), (0, 1), (-0.7, 0)],
    "cross": [
        (-0.3, -1), (0.3, -1), (0.3, -0.3), (1, -0.3), (1, 0.3), (0.3, 0.3),
        (0.3, 1), (-0.3, 1), (-0.3, 0.3), (-1, 0.3), (-1, -0.3), (-0.3, -0.3),
    ],
}  # fmt: skip


def _draw_word(draw: ImageDraw.ImageDraw, word: Word, random: Random) -> None:
    font = ImageFont.load_default(size=11 * SUPERSAMPLING)
    x, y = _center(word.place, 10.5, random)
    shade = random.randint(200, 255)
    draw.text((x, y), word.text, font=font, fill=(shade,) * 3, anchor="mm")
