"""No judge."""


def no_judge() -> None:
    """Return None: what needs grades takes them from a file, or stops and says so."""
