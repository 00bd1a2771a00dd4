"""The forms of an open answer, with their authors' mistakes, and the worth of ten people's agreement."""

import pytest

from vlm.benchmark.answer_text import m4c_form, soft_accuracy, tool_form, vqa_accuracy

MANY = "x." * 40


@pytest.mark.parametrize(
    ("answer", "form"),
    [
        ("Two", "2"),
        ("none", "0"),
        ("TEN men", "10 men"),
        ("eleven", "eleven"),  # numbers end at ten
        ("twenty-one", "twenty 1"),  # what a hyphen parts is read as words
        ("The cat on a mat and an owl", "cat on mat and owl"),
        ("a", ""),
        ("anthem", "anthem"),
        ("dont", "don't"),
        ("Couldnt've", "couldn't've"),
        ("couldn'tve", "couldn't've"),
        ("couldntve", "couldntve"),  # only one apostrophe is restored
        ("'ows'at", "'ow's'at"),
        ("ow'sat", "ow 'sat"),
        ("twas", "'twas"),
        ("yalld've", "yalld've"),
        ("y'alld've", "y'all'd've"),
        ("somebody'd", "somebodyd"),  # the official table has it the wrong way round
        ("im", "im"),  # its capital keys (Im, Ive) can match nothing in lower case
        ("lets", "lets"),
        ("it's", "it 's"),
        ("john's dogs", "john 's dogs"),
        ("red/green", "red green"),
        ("red /green", "red green"),
        ("red/ green", "red green"),
        ("a-b c- d", "ab c d"),  # one hyphen beside a space has all of them removed, not parted
        ("t-shirt", "t shirt"),
        ("(yes)", "yes"),
        ("what! no!x", "what nox"),
        ("12:30", "12:30"),
        ("1,000", "1000"),
        ("1,000/5", "1000 5"),  # commas are gone before the rule for numbers with commas could see one
        ("red, white", "red white"),
        ("red,white", "redwhite"),
        ("why?not", "whynot"),
        ("3.5", "3.5"),
        ("v.2", "v.2"),
        (".5", ".5"),
        ("5.", "5"),  # the look-behind that should have spared it is mistyped
        ("1.a", "1a"),
        ("u.s.a.", "usa"),
        ("...", ""),
        (" Yes.\n", "yes"),
        ("one\ntwo\tthree", "1 2 3"),
        ("red-\nblue", "red blue"),  # a line break is a space before punctuation is looked at
        ("", ""),
        ("Ünïcode…", "ünïcode…"),
    ],
)
def test_m4cs_form(answer: str, form: str) -> None:
    assert m4c_form(answer, fixed_periods=False) == form


def test_only_32_periods_go() -> None:
    assert m4c_form(MANY, fixed_periods=False) == "x" * 32 + "x." * 8
    assert m4c_form(MANY, fixed_periods=True) == "x" * 40


@pytest.mark.parametrize(
    ("answer", "form"), [("5.", "5."), ("3.5", "3.5"), ("v.2", "v.2"), ("u.s.a.", "usa"), ("1.a", "1.a")]
)
def test_mended_periods_stay_beside_digits(answer: str, form: str) -> None:
    assert m4c_form(answer, fixed_periods=True) == form


@pytest.mark.parametrize(
    ("answer", "form"),
    [
        ("john's", "john's"),  # M4C parts it
        ("red,white", "red white"),  # M4C joins them
        ("red, white", "red white"),
        ("why?not", "why not"),
        ("1,000", "1000"),
        ("1,000/5", "10005"),  # a comma between digits has all punctuation removed without a space
        ("'ow'sat", "'ow's'at"),
        ("The TWO. cats\n", "2 cats"),
        (MANY, "x" * 32 + "x." * 8),
    ],
)
def test_the_form_of_vqas_tool(answer: str, form: str) -> None:
    assert tool_form(answer) == form


@pytest.mark.parametrize(
    ("agreeing", "worth"), [(0, 0.0), (1, 0.3), (2, 0.6), (3, 0.9), (4, 1.0), (9, 1.0), (10, 1.0)]
)
def test_ten_people_are_left_out_one_by_one(agreeing: int, worth: float) -> None:
    people = ["yes"] * agreeing + ["no"] * (10 - agreeing)
    assert soft_accuracy("yes", people) == pytest.approx(worth)
    left_out = [people[:person] + people[person + 1 :] for person in range(10)]
    assert soft_accuracy("yes", people) == pytest.approx(
        sum(min(1, others.count("yes") / 3) for others in left_out) / 10
    )


def test_no_people_are_nothing() -> None:
    assert soft_accuracy("", []) == 0.0


def test_vqas_tool_leaves_answers_alone_where_people_agree() -> None:
    assert vqa_accuracy("Two.", ["two"] * 9 + ["three"]) == 1.0
    assert vqa_accuracy("Two.", ["two"] * 10) == 0.0
    assert vqa_accuracy(" two\n", ["two "] * 10) == 1.0
    assert vqa_accuracy("2", ["two"] * 9 + ["two "]) == 0.0  # a space is no disagreement
