"""The loss law: however a step is laid over devices and rows, its loss and gradients are the same."""

from collections.abc import Iterator

import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.training.law import Draw, law
from tests.training.pair import Pair
from vlm.quiet import quiet_libraries

TEXT, SEEN = Draw("answers", 0, 9, 4), Draw("captions", 1, 7, 5)
TEXT_ONLY_RANK = [SEEN, TEXT, SEEN, TEXT]
"""Dealt to two ranks of one row, the second gets no picture."""
ONE_FOR_ALL = [Draw("answers", 2, 12, 1)]
"""All rows but one are blank."""

DRAWS = st.integers(2, 12).flatmap(
    lambda size: st.builds(
        Draw,
        st.sampled_from(["captions", "answers"]),
        st.integers(0, 2),
        st.just(size),
        st.integers(1, size - 1),
    )
)


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    quiet_libraries()
    both = Pair()
    yield both
    both.close()


def differ(
    ours: tuple[float, dict[str, torch.Tensor]], theirs: tuple[float, dict[str, torch.Tensor]]
) -> float:
    """The relative difference of the losses, or of the whole gradients if that is larger."""
    assert set(ours[1]) == set(theirs[1])
    size = torch.stack([gradient.norm() for gradient in theirs[1].values()]).norm()
    away = torch.stack([(ours[1][name] - gradient).norm() for name, gradient in theirs[1].items()]).norm()
    return max(abs(ours[0] - theirs[0]) / theirs[0], float(away / size))


@pytest.mark.timeout(900)
@given(st.lists(st.lists(DRAWS, min_size=1, max_size=8), min_size=4, max_size=4))
@settings(max_examples=2, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
def test_every_factorisation_gives_the_same(pair: Pair, examples: list[list[Draw]]) -> None:
    examples = [TEXT_ONLY_RANK, ONE_FOR_ALL, *examples]
    whole = law([], examples, 1, False)
    for padded in (False, True):
        for accumulation in (1, 2, 4):
            alone = law([], examples, accumulation, padded)
            assert max(map(differ, alone, whole)) <= 1e-6
            for strategy in ("fsdp2", "ddp"):
                both = pair.run(law, [f"strategy={strategy}"], examples, accumulation, padded)
                for found in both:
                    assert max(map(differ, found, whole)) <= 1e-6, f"{strategy} {accumulation} {padded}"
