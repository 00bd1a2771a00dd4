"""The lists have as many questions as LLaVA's tables, and prompts are those that benchmarks ask with."""

from vlm.benchmark import prompt, textvqa, vizwiz
from vlm.corpus.formats.conversation import with_prompts
from vlm.corpus.formats.ocr import ocr_line
from vlm.corpus.formats.prompts import BRIEF, DETAILED, LETTER, SHORT_ANSWER, UNSURE


def test_eleven_brief_and_sixteen_detailed_questions() -> None:
    assert (len(set(BRIEF)), len(set(DETAILED))) == (11, 16)


def test_what_is_trained_is_what_is_asked() -> None:
    assert (SHORT_ANSWER, LETTER, UNSURE) == (prompt.SHORT, prompt.LETTER, vizwiz.UNSURE)
    assert ocr_line(["a", "b"]) == f"{textvqa.OCR_LINE} a, b"
    assert ocr_line([]) == f"{textvqa.OCR_LINE} "  # LLaVA leaves the line when nothing was read


def test_a_prompt_stands_where_it_differs_from_the_one_before() -> None:
    turns = [(f"{number}?", "a") for number in range(5)]
    asked = [question for question, _ in with_prompts(turns, ["X", "X", "Y", "X", "X"])]
    assert asked == ["0?\nX", "1?", "2?\nY", "3?\nX", "4?"]
