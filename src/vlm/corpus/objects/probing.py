"""What to ask about a picture: things that are there, and things that a model might wrongly see.

By the definitions of POPE (Li et al. 2023, arXiv:2305.10355, section 5.1) and its authors' code: for each
thing that is there and asked about, one that is not is drawn at random, or is the most frequent one in all
pictures, or is the one that most often is where that thing is. None is asked about twice.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from vlm.corpus.objects.annotations import Annotated

Ranking = Callable[["Frequencies", str], list[str]]
"""From all pictures and a thing that is there to what to ask about, best first."""


@dataclass(frozen=True)
class Frequencies:
    """In how many pictures things are.

    Args:
        alone: By thing.
        together: By thing, in how many of its pictures each other thing is.
    """

    alone: Mapping[str, int]
    together: Mapping[str, Mapping[str, int]]

    @classmethod
    def of(cls, pictures: Iterable[Annotated]) -> "Frequencies":
        """Count."""
        alone: Counter[str] = Counter()
        together: dict[str, Counter[str]] = {}
        for picture in pictures:
            alone.update(picture.objects)
            for name in picture.objects:
                others = together.setdefault(name, Counter())
                others.update(other for other in picture.objects if other != name)
        return cls(alone, together)

    def most_frequent(self) -> list[str]:
        """Return all things, the most frequent first; equally frequent ones by their names."""
        return _ranked(self.alone)

    def companions(self, name: str) -> list[str]:
        """Return the things that are where this one is, the most frequent there first, likewise."""
        return _ranked(self.together.get(name, {}))


def _ranked(counts: Mapping[str, int]) -> list[str]:
    return sorted(counts, key=lambda name: (-counts[name], name))


SAMPLINGS: Mapping[str, Ranking] = {
    "random": lambda frequencies, present: [],
    "popular": lambda frequencies, present: frequencies.most_frequent(),
    "adversarial": lambda frequencies, present: frequencies.companions(present),
}
"""What is asked about first; where nothing is left of it, chance decides."""


def can_be_asked(picture: Annotated, frequencies: Frequencies, number: int) -> bool:
    """Whether so many known things are there, and so many are not."""
    return number <= len(picture.objects) <= len(frequencies.alone) - number


def draw_present(picture: Annotated, number: int, draw: Random) -> list[str]:
    """Return so many things that are there, drawn without regard to the order of the boxes."""
    return draw.sample(sorted(picture.objects), number)


def choose_absent(
    picture: Annotated, present: Sequence[str], frequencies: Frequencies, sampling: str, draw: Random
) -> list[str]:
    """Return as many things that are not there as are asked about that are.

    Args:
        picture: With so many things that are not there, as `can_be_asked` says.
        present: What is asked about that is there.
        frequencies: Of all pictures.
        sampling: One of `SAMPLINGS`.
        draw: Decides where the sampling does not.
    """
    left = [name for name in frequencies.most_frequent() if name not in picture.objects]
    chosen = []
    for name in present:
        ranked = [other for other in SAMPLINGS[sampling](frequencies, name) if other in left]
        chosen.append(ranked[0] if ranked else draw.choice(sorted(left)))
        left.remove(chosen[-1])
    return chosen
