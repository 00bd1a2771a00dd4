"""Messages, as OpenAI's clients send them, as a prompt of ours."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

from vlm.data.image import Picture
from vlm.data.sample import IMAGE_PLACEHOLDER, Prompt, Turn
from vlm.model.generate import Answerer, ContextError, PreparedPrompt
from vlm.serving.errors import RequestError
from vlm.serving.pictures import PictureLimits, check_picture
from vlm.serving.schema import ImagePart, Message, TextPart
from vlm.serving.system import with_system

SPEAKERS = {"user": "human", "assistant": "gpt"}


@dataclass(frozen=True)
class Conversation:
    """What was said.

    Args:
        system: A system message; empty if there is none.
        turns: Of user and assistant, with `<image>` where each picture belongs.
        addresses: Of the pictures, in the order of their places.
    """

    system: str
    turns: tuple[Turn, ...]
    addresses: tuple[str, ...]

    @property
    def question(self) -> tuple[Turn, ...]:
        """The turns up to the last user's."""
        return self.turns[:-1] if self.turns[-1].speaker == "gpt" else self.turns


def read_messages(messages: Sequence[Message], answered: bool = False) -> Conversation:
    """Return a conversation.

    The pictures of a message stand before its words, in order, as LLaVA's do; unless its words say `<image>`,
    once for each picture, where they stand then.

    Args:
        messages: After system messages, user and assistant in turn.
        answered: Whether an assistant's message is the last, and not a user's.

    Raises:
        RequestError: They are not in this order, or words say `<image>` otherwise.
    """
    leading = [message for message in messages if message.role in ("system", "developer")]
    said = list(messages[len(leading) :])
    expected = (["user", "assistant"] * len(said))[: len(said)]
    if not said or [message.role for message in said] != expected or (len(said) % 2 == 0) != answered:
        last = "assistant" if answered else "user"
        raise _refuse(
            f"messages must be system messages, then user and assistant in turn, ending with {last}"
        )
    system = "\n".join(
        part.text for message in leading for part in message.parts if isinstance(part, TextPart)
    )
    if any(
        isinstance(part, ImagePart)
        for message in messages
        if message.role != "user"
        for part in message.parts
    ):
        raise _refuse("only user messages can hold pictures")
    turns = tuple(Turn(SPEAKERS[message.role], _text(message)) for message in said)
    addresses = (
        part.image_url.url for message in said for part in message.parts if isinstance(part, ImagePart)
    )
    return Conversation(system.strip(), turns, tuple(addresses))


def _text(message: Message) -> str:
    words = "\n".join(part.text for part in message.parts if isinstance(part, TextPart))
    num_pictures = sum(isinstance(part, ImagePart) for part in message.parts)
    places = words.count(IMAGE_PLACEHOLDER)
    if places not in (0, num_pictures):
        raise _refuse(
            f"a message says {IMAGE_PLACEHOLDER} {places} times and has {num_pictures} pictures; "
            "say it once for each, or not at all"
        )
    return words if places else f"{IMAGE_PLACEHOLDER}\n" * num_pictures + words


def place_system(answerer: Answerer, system: str) -> Answerer:
    """Return who answers under a system message.

    Raises:
        RequestError: The template has no place for one.
    """
    if not system:
        return answerer
    try:
        template = with_system(answerer.template, system)
    except ValueError as error:
        raise _refuse(str(error)) from error
    other = copy.copy(answerer)
    other.template = template
    return other


def prompt_of(conversation: Conversation, images: Sequence[bytes], seed: int) -> Prompt:
    """Return the prompt for the next answer."""
    *earlier, last = conversation.question
    return Prompt(last.text, tuple(images), seed, tuple(earlier))


def prepare(answerer: Answerer, prompt: Prompt, limits: PictureLimits) -> PreparedPrompt:
    """Return a prompt in tokens and pictures.

    Raises:
        RequestError: It is too long, does not fit the template, or has a picture that cannot be read.
    """
    pictures: dict[bytes, Picture] = {}
    for image in prompt.images:
        check_picture(image, limits)
        try:
            pictures[image] = answerer.image_transform(image)
        except Exception as error:  # decoders raise all kinds of things over damaged pictures
            raise RequestError(400, "a picture is damaged", "messages", "invalid_image") from error
    try:
        prepared = answerer.prepare_one(prompt, pictures)
    except ContextError as error:
        raise too_long(error) from error
    except ValueError as error:
        raise _refuse(str(error)) from error
    # Files are large, and were only to tell pictures apart.
    return replace(prepared, images=[sha256(image).digest() for image in prompt.images])


def too_long(error: ContextError) -> RequestError:
    """Return what is said of a conversation that is longer than the context."""
    return RequestError(
        400,
        f"the conversation takes {error.num_tokens} tokens, pictures included, and the model reads "
        f"{error.room}, its answer included",
        "messages",
        "context_length_exceeded",
    )


def _refuse(message: str) -> RequestError:
    return RequestError(400, message, "messages", "invalid_value")
