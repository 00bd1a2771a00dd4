"""What a server takes, and how long it waits."""

from dataclasses import dataclass

from vlm.limits import limited


@dataclass
class Settings:
    """The limits of a server."""

    at_once: int = limited(32, least=1)
    """Answers of a model that are written at once."""
    queue: int = limited(256, least=1)
    """Requests that may wait for a place; more are told to come back (429)."""
    cache_tokens: int | None = limited(None, least=1)
    """Tokens whose keys and values a model holds at once; null is `at_once` times the context."""
    max_new_tokens: int = limited(512, least=1)
    """Of an answer whose request does not say."""
    timeout_s: float = limited(300.0, above=0)
    """From a request's first byte to the last of its answer, which is given up then (504)."""
    shutdown_s: float = limited(30.0, least=0)
    """What is being answered when the server is asked to stop has so long to end."""
    body_mib: float = limited(64.0, above=0)
    """Of a request; a longer one is refused before it is read (413)."""
    pictures: int = limited(8, least=0)
    """Of a request."""
    picture_mib: float = limited(16.0, above=0)
    """Of a picture's file."""
    megapixels: float = limited(50.0, above=0)
    """Of a picture, as its header says before it is decoded."""
    remote_pictures: bool = False
    """Whether pictures may be addresses on the Internet: http and https, public hosts only."""
    picture_timeout_s: float = limited(10.0, above=0)
    """For one picture of such an address."""
