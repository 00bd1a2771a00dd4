"""A format prompt can be taken out of a source, to see what it is worth."""

import pytest

from tests.conftest import Compose
from vlm.build import build_model
from vlm.build_data import build_readers
from vlm.corpus.shapes.language import SHORT_ANSWER


def test_it_is_gone_from_questions_and_from_nothing_else(compose: Compose) -> None:
    config = compose()
    model = build_model(config)
    whole = build_readers(config, model)["ocr"]
    cut = build_readers(compose(f"mixture.ocr.without_text='{SHORT_ANSWER}'"), model)["ocr"]
    first, second = whole.shards[0], cut.shards[0]
    assert SHORT_ANSWER in first.turns[0].text
    assert second.turns[0].text == first.turns[0].text.replace(SHORT_ANSWER, "")
    assert second.turns[1:] == first.turns[1:]
    assert second.images == first.images
    assert len(cut.tokens(second).ids) < len(whole.tokens(first).ids)


def test_what_no_sample_says_is_refused(compose: Compose) -> None:
    config = compose("mixture.ocr.without_text=Responda")
    with pytest.raises(
        ValueError, match=r"mixture.ocr.without_text='Responda' stands in none of the \d+ samples"
    ):
        build_readers(config, build_model(config))
