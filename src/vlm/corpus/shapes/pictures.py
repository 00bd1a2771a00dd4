"""Pictures of the shapes world outside its shards, with what is in them."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from vlm.corpus.objects.annotations import Annotated
from vlm.corpus.shapes.render import render
from vlm.corpus.shapes.scene import Scene, draw_scene


@dataclass(frozen=True)
class DrawnScenes:
    """Scenes of the test split, which no training shard shows; each has a number.

    Args:
        scenes: In the order in which they were drawn.
        seed: They were drawn with.
    """

    scenes: tuple[Scene, ...]
    seed: int

    @classmethod
    def draw(cls, number: int, seed: int) -> "DrawnScenes":
        """Draw so many."""
        random = Random(f"{seed} test pictures")
        return cls(tuple(draw_scene(random, "test") for _ in range(number)), seed)

    def annotated(self) -> list[Annotated]:
        """Return each with its shapes, such as `red circle`; a printed word is none."""
        return [
            Annotated(f"{number:06d}.jpg", tuple(dict.fromkeys(shape.noun for shape in scene.shapes)), number)
            for number, scene in enumerate(self.scenes)
        ]

    def write(self, pictures: Iterable[Annotated], folder: Path) -> None:
        """Draw some of `annotated` into a folder; the same seed gives the same picture."""
        folder.mkdir()
        for picture in pictures:
            assert picture.number is not None
            image = render(self.scenes[picture.number], Random(f"{self.seed} picture {picture.number}"))
            image.save(folder / picture.image, "JPEG", quality=95, subsampling=0)
