"""The lists have as many questions as LLaVA's tables."""

from vlm.corpus.formats.prompts import BRIEF, DETAILED


def test_eleven_brief_and_sixteen_detailed_questions() -> None:
    assert (len(set(BRIEF)), len(set(DETAILED))) == (11, 16)
