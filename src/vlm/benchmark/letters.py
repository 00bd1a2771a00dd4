"""Reading an option's letter out of an answer, each rule as a benchmark or its tool reads it."""

import re
from collections.abc import Mapping, Sequence
from string import ascii_uppercase

SCIENCEQA_LETTERS = "ABCDE"
REFUSALS = (
    "Sorry, I can't help with images of people yet.",
    "I can't process this file.",
    "I'm sorry, but without the image provided",
    "Cannot determine the answer",
)
"""What VLMEvalKit takes for a refusal to choose."""
REFUSED = "Z"
"""What VLMEvalKit calls the option of who chooses none."""
LAST_WORDS = 4
"""VLMEvalKit reads a letter only if it is first said among so many last words."""


def scienceqa_letter(answer: str) -> str | None:
    """Read it by LLaVA's `eval_science_qa.py`.

    The answer is a letter from A to E; or opens with one, a period and a space; or says once, and only
    once, `The answer is X` with whatever character follows.
    """
    if answer and answer[0] in SCIENCEQA_LETTERS and (len(answer) == 1 or answer[1:3] == ". "):
        return answer[0]
    said = re.findall(r"The answer is ([A-Z]).", answer)
    return said[0] if len(said) == 1 else None


def exact_letter(answer: str, num_choices: int) -> str | None:
    """Read it by LLaVA's `convert_seed_for_submission.py`: the answer is an option's letter, and no more."""
    return answer if len(answer) == 1 and answer in ascii_uppercase[:num_choices] else None


def leading_letter(answer: str, num_choices: int) -> str | None:
    """Read it where it can be nothing else: `B` alone, or `(B)`, `B.`, `B)`, `B:` first."""
    found = re.match(r"\s*(?:\(([A-Z])\)|([A-Z])(?:[.):]|\s*$))", answer)
    letter = found and (found.group(1) or found.group(2))
    return letter if letter and letter in ascii_uppercase[:num_choices] else None


def inferred_letter(answer: str, choices: Sequence[str]) -> str | None:
    """Read it by VLMEvalKit's `can_infer` (arXiv:2407.11691): by a letter, else by an option's words.

    Who refuses to choose has said nothing, whatever option's words follow.
    """
    letters = dict(zip(ascii_uppercase, choices, strict=False))
    letter = infer_option(answer, tuple(letters))
    return None if letter == REFUSED else letter or infer_text(answer, letters)


def infer_option(answer: str, letters: Sequence[str]) -> str | None:
    """Return the only letter that is a word of the answer, if it is first said among the last ones.

    `REFUSED`, if none is and the answer refuses to choose. So `A dog` is option A, and an answer with two
    letters is none.
    """
    if any(refusal in answer for refusal in REFUSALS):
        return REFUSED
    words = re.sub(r"[.()\[\],:;!*#{}]", " ", answer).split()
    said = [letter for letter in letters if letter in words]
    if not said:
        return REFUSED if REFUSED in words else None
    return said[0] if len(said) == 1 and words.index(said[0]) >= len(words) - LAST_WORDS else None


def infer_text(answer: str, choices: Mapping[str, str]) -> str | None:
    """Return the letter of the only option whose words the answer contains, in any case.

    An answer over twice as long as all options together is not searched.
    """
    if len(answer) > 2 * sum(len(choice) for choice in choices.values()):
        return None
    said = [letter for letter, choice in choices.items() if choice.lower() in answer.lower()]
    return said[0] if len(said) == 1 else None


def last_letter(answer: str, choices: Sequence[str]) -> str | None:
    """Read it by MMMU's `parse_multi_choice_response` (arXiv:2311.16502).

    The last of the letters in brackets; without one, of those that stand alone; without one, in an answer
    of over five words, of the options whose words are said. MMMU draws a letter where this finds none.
    """
    for character in ",.!?;:'":
        answer = answer.strip(character)
    answer = f" {answer} "
    letters = dict(zip(ascii_uppercase, choices, strict=False))
    said = {letter: answer.rfind(f"({letter})") for letter in letters}
    if max(said.values()) < 0:
        said = {letter: answer.rfind(f" {letter} ") for letter in letters}
    if max(said.values()) < 0 and len(answer.split()) > 5:
        said = {letter: answer.lower().rfind(choice.lower()) for letter, choice in letters.items()}
    best = max(said, key=lambda letter: said[letter])
    return best if said[best] >= 0 else None
