"""What open answers are made into before they are compared, and what ten people's answers make them worth.

Two published rules exist, and they differ. LLaVA makes answers into M4C's form (`m4c_form`) before it uploads
them, and where it scores TextVQA: this is the evaluator of Hu et al. 2020 (arXiv:1911.06258). The server of
VQA then applies its own tool (Goyal et al. 2017, arXiv:1612.00837): `tool_form` and `vqa_accuracy`. Where the
tool of VQA differs:

- It neither takes commas and question marks away first nor parts `'s` from its word, so `cat's` stays one
  word, and a comma between digits, which M4C never gets to see, has all punctuation removed without a space.
- It changes answers only where the ten people disagree; where all said the same, the answer must equal that.

Both have the same two mistakes. The look-behind that was to spare the period after a digit is mistyped and
never holds, so that a period goes unless a digit follows it; and a flag stands where `re.sub` expects a
count, so that periods after the 32nd stay.
"""

import re
from collections.abc import Sequence
from functools import lru_cache

PUNCTUATION = ';/[]"{}()=+\\_-><@`,?!'
"""What is removed beside a space, and becomes a space elsewhere. Colons and apostrophes stay."""
ARTICLES = {"a", "an", "the"}
NUMBERS = {
    "none": "0", "zero": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6",
    "seven": "7", "eight": "8", "nine": "9", "ten": "10",
}  # fmt: skip
CONTRACTED = """
    ain't aren't can't could've couldn't couldn't've didn't doesn't don't hadn't hadn't've hasn't haven't he'd
    he'd've he's how'd how'll how's isn't it'd it'd've it'll ma'am mightn't mightn't've might've mustn't
    must've needn't not've o'clock oughtn't 'ow's'at shan't she'd've should've shouldn't shouldn't've
    somebody'd've somebody'll somebody's someone'd someone'd've someone'll someone's something'd
    something'd've something'll that's there'd there'd've there're there's they'd they'd've they'll they're
    they've 'twas wasn't we'd've we've weren't what'll what're what's what've when's where'd where's where've
    who'd who'd've who'll who's who've why'll why're why's won't would've wouldn't wouldn't've y'all y'all'll
    y'all'd've you'd you'd've you'll you're you've
"""
"""What gets an apostrophe back if one is missing, as in `dont` and `couldn'tve`; `lets` and `im` do not."""
CONTRACTIONS = {
    word[:place] + word[place + 1 :]: word
    for word in CONTRACTED.split()
    for place, letter in enumerate(word)
    if letter == "'"
} | {"somebody'd": "somebodyd"}  # the wrong way round, in both tools
_FIRST_PERIODS = 32


@lru_cache(maxsize=1 << 16)
def m4c_form(answer: str, fixed_periods: bool) -> str:
    """Return an answer as LLaVA uploads or compares it.

    Args:
        answer: Any text.
        fixed_periods: Mend both mistakes: a period stays beside a digit on either side, and all others go.
    """
    text = answer.lower().replace(",", "").replace("?", "").replace("'s", " 's").strip()
    return _plain_words(_unpunctuated(_on_one_line(text), fixed_periods))


@lru_cache(maxsize=1 << 16)
def tool_form(answer: str) -> str:
    """Return an answer as the tools of VQA and VizWiz compare it."""
    return _plain_words(_unpunctuated(_on_one_line(answer), fixed_periods=False))


def soft_accuracy(answer: str, references: Sequence[str]) -> float:
    """Return the mean, over leaving out one person each, of a third for each other one who said the answer.

    It is at most 1 and may have no answer that reaches it: three who agree give 0.9.

    Args:
        answer: As the references are written.
        references: What each person said.
    """
    said = sum(reference == answer for reference in references)
    if said == 0:
        return 0.0
    without_one_of_them, without_another = min(1.0, (said - 1) / 3), min(1.0, said / 3)
    return (said * without_one_of_them + (len(references) - said) * without_another) / len(references)


def vqa_accuracy(answer: str, references: Sequence[str]) -> float:
    """Return what the tool of VQA gives an answer, both as they were written."""
    given, people = _on_one_line(answer), [_on_one_line(reference) for reference in references]
    if len(set(people)) > 1:
        given, people = tool_form(given), [tool_form(person) for person in people]
    return soft_accuracy(given, people)


def _on_one_line(text: str) -> str:
    return text.replace("\n", " ").replace("\t", " ").strip()


def _unpunctuated(text: str, fixed_periods: bool) -> str:
    """Remove punctuation; whether it stands beside a space is seen in the text as it came."""
    kept, has_comma_in_number = text, re.search(r"\d,\d", text) is not None
    for symbol in PUNCTUATION:
        beside_space = f"{symbol} " in text or f" {symbol}" in text
        kept = kept.replace(symbol, "" if beside_space or has_comma_in_number else " ")
    if fixed_periods:
        return re.sub(r"(?<!\d)\.(?!\d)", "", kept)
    return re.sub(r"\.(?!\d)", "", kept, count=_FIRST_PERIODS)


def _plain_words(text: str) -> str:
    """Write numbers up to ten as digits, leave articles out, restore apostrophes."""
    numbered = [NUMBERS.get(word, word) for word in text.lower().split()]
    return " ".join(CONTRACTIONS.get(word, word) for word in numbered if word not in ARTICLES)
