"""A thing with its article."""


def with_article(name: str) -> str:
    """Return `a dog`, `an umbrella`; by the first letter, as POPE's authors do."""
    return f"{'an' if name[:1] in 'aeiou' else 'a'} {name}"
