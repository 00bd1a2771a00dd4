"""What somebody has boxed in pictures, and answers that it contradicts."""

import re
from collections.abc import Iterable, Mapping

from vlm.corpus.objects.annotations import Annotated
from vlm.corpus.objects.words import Vocabulary, plural

_EXISTS = re.compile(
    r"^(?:is|are) there (?:a |an |any |some )?(?P<what>.+?)"
    r"(?: (?:in|on) (?:the|this) (?:image|picture|photo))?\s*\?$",
    re.IGNORECASE,
)
_YES_NO = re.compile(r"^\W*(yes|no)\b", re.IGNORECASE)


class Known:
    """The things that are known to be in pictures.

    Args:
        pictures: By the path that a record has of its picture; of what is not boxed, nothing is known.
        words: By thing, what else it is called.
    """

    def __init__(self, pictures: Iterable[Annotated], words: Mapping[str, Iterable[str]]) -> None:
        self.objects = {picture.image: frozenset(picture.objects) for picture in pictures}
        self.names = {name for objects in self.objects.values() for name in objects}
        self._vocabulary = Vocabulary({name: words.get(name, ()) for name in sorted(self.names)})

    def __contains__(self, image: object) -> bool:
        """Whether something is known of a picture."""
        return isinstance(image, str) and image in self.objects

    def contradicts(self, image: str, question: str, answer: str) -> bool:
        """Whether an answer cannot be right.

        It names a thing that is not in the picture; or says that there is one, to the question whether there
        is; or says that there is none of a thing that is.

        Args:
            image: The picture's path; of one that nothing is known of, nothing is contradicted.
            question: Without what it says of the form of its answer.
            answer: To it.
        """
        if image not in self.objects:
            return False
        said = _YES_NO.match(answer)
        asked = _EXISTS.match(question.strip())
        if said and said[1].lower() == "no":  # what follows may name what is not there
            return asked is not None and self._is_there(image, asked["what"])
        if said and asked and self._absent(image, asked["what"]):
            return True
        return self._absent(image, answer)

    def _is_there(self, image: str, phrase: str) -> bool:
        """Whether a phrase is nothing but the name of a thing that is there."""
        forms = (form for name in self.objects[image] for form in (name, plural(name)))
        return phrase.lower() in {form.lower() for form in forms}

    def _absent(self, image: str, text: str) -> bool:
        """Whether a text names a thing that is not there."""
        return any(name not in self.objects[image] for name in self._vocabulary.mentions(text))
