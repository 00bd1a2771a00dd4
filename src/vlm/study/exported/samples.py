"""Samples of a run's own data, to be asked about."""

from collections.abc import Iterator
from contextlib import suppress

from vlm.data.sample import IMAGE_PLACEHOLDER, Sample
from vlm.data.shards import ShardSource
from vlm.sentence import source_shards, sources
from vlm.study.exported.plan import Plan

NUM_SOURCES, NUM_LOOKED_AT = 3, 20


def own_samples(plan: Plan) -> list[Sample]:
    """Return a sample with one picture of each of the first sources; none if the data is elsewhere."""
    if plan.named.is_foreign:
        return []
    found: list[Sample] = []
    config = plan.planned.config
    for name in list(sources(config))[:NUM_SOURCES]:
        with suppress(ValueError, OSError):  # data is not needed to export a model
            source = ShardSource(name, source_shards(config, name))
            found += list(_with_one_picture(source))[:1]
    return found


def _with_one_picture(source: ShardSource) -> Iterator[Sample]:
    for number in range(min(NUM_LOOKED_AT, len(source))):
        sample = source[number]
        if len(sample.images) == 1 and IMAGE_PLACEHOLDER in sample.turns[0].text:
            yield sample
