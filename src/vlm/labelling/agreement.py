"""Which of several replies to keep, and how far the others agree with it."""

from collections.abc import Sequence

from vlm.synthesis.filters import words_of


def likeness(one: str, other: str) -> float:
    """Return ROUGE-L of two texts (Lin 2004): from 0 to 1, the F1 of their longest common run of words.

    The run may have gaps. Of answers in a word it says whether they are the same.
    """
    ours, theirs = words_of(one), words_of(other)
    if ours == theirs:
        return float(bool(ours) or one.strip() == other.strip())
    return 2 * _common(ours, theirs) / (len(ours) + len(theirs))


def choose(replies: Sequence[str]) -> tuple[int, float]:
    """Return which reply is most like the others, and how much so, on average.

    Of answers in a word it is the one that most agree on (self-consistency, arXiv:2203.11171), of longer ones
    that with the least expected loss (minimum Bayes risk). The earlier one wins a tie.

    Args:
        replies: At least one; one alone agrees with itself.
    """
    if len(replies) == 1:
        return 0, 1.0
    alike = [[likeness(one, other) for other in replies] for one in replies]
    means = [(sum(row) - row[place]) / (len(replies) - 1) for place, row in enumerate(alike)]
    best = max(range(len(replies)), key=means.__getitem__)
    return best, means[best]


def _common(ours: Sequence[str], theirs: Sequence[str]) -> int:
    """Return the length of the longest common subsequence."""
    row = [0] * (len(theirs) + 1)
    for word in ours:
        before = 0
        for place, other in enumerate(theirs, 1):
            before, row[place] = row[place], before + 1 if word == other else max(row[place], row[place - 1])
    return row[-1]
