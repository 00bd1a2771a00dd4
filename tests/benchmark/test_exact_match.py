"""Exact match asks the questions of its shards, or those of some kinds."""

from pathlib import Path

import pytest

from vlm.benchmark.exact_match import ExactMatch


def test_kinds_choose_questions(data_folder: Path) -> None:
    shards = f"{data_folder}/shapes/test/questions-*.tar"
    every = ExactMatch(shards, 4).questions()
    words = ExactMatch(shards, 4, kinds=["ocr"]).questions()
    assert words == [question for question in every if question.kind == "ocr"] != every
    with pytest.raises(ValueError, match=r"benchmark.kinds=\['taste'\] leaves no question; correct it"):
        ExactMatch(shards, 4, kinds=["taste"]).questions()
