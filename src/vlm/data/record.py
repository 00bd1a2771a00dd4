"""Records: what a sample's JSON may look like, and the turns that it holds."""

from collections.abc import Mapping
from typing import Any

from vlm.data.sample import IMAGE_PLACEHOLDER, Turn

SPEAKERS = ("human", "gpt")
ROLES = {"user": "human", "assistant": "gpt"}
"""OpenAI's names of the two sides."""


def read_turns(record: Any, caption: str | None) -> tuple[Turn, ...]:
    """Return the turns of a record as LLaVA, OpenAI's messages, or img2dataset writes them.

    Args:
        record: LLaVA's holds `conversations`, OpenAI's `messages`; img2dataset's neither, and its `caption`
            stands in it or in a file of text.
        caption: That text, if there is a file of it.

    Raises:
        KeyError, TypeError, ValueError: It is none of them.
    """
    if "conversations" in record:
        return tuple(Turn(turn["from"], turn["value"]) for turn in record["conversations"])
    if "messages" in record:
        return tuple(
            Turn(turn["from"], turn["value"]) for turn in from_messages(record["messages"])["conversations"]
        )
    text = caption if caption is not None else record["caption"]
    if not text:
        raise ValueError("it has neither conversations nor a caption")
    return Turn("human", IMAGE_PLACEHOLDER), Turn("gpt", text.strip())


def check_record(content: Any) -> None:
    """Hold a LLaVA record to its form.

    Raises:
        ValueError: It has another.
    """
    if not isinstance(content, dict) or not isinstance(content.get("conversations"), list):
        raise ValueError("it must be an object with a list of conversations")
    for place, turn in enumerate(content["conversations"]):
        speaker = SPEAKERS[place % 2]
        if (
            not isinstance(turn, dict)
            or turn.get("from") != speaker
            or not isinstance(turn.get("value"), str)
        ):
            raise ValueError(f"conversations[{place}] must be {{from: {speaker}, value: TEXT}}")
    if not content["conversations"] or len(content["conversations"]) % 2:
        raise ValueError("conversations must be pairs of a human's and gpt's turn")


def image_paths(content: Mapping[str, Any]) -> list[str]:
    """Return the paths of a LLaVA record's pictures, in the order of their placeholders."""
    named = content.get("image", [])
    return [named] if isinstance(named, str) else list(named)


def from_messages(messages: Any) -> dict[str, Any]:
    """Return the `conversations` and `image` paths of OpenAI's messages.

    A picture stands where its part stands among the texts; a system message is left out, as the template
    has its own.

    Raises:
        ValueError: A message has another role, or a part is neither text nor a picture.
    """
    turns, images = [], []
    for message in messages:
        if message.get("role") == "system":
            continue
        if message.get("role") not in ROLES:
            raise ValueError(f"a message's role must be user, assistant or system, got {message.get('role')}")
        content, text = message["content"], ""
        parts: list[Any] = [{"type": "text", "text": content}] if isinstance(content, str) else content
        for part in parts:
            if part.get("type") == "text":
                text += part["text"]
            elif part.get("type") == "image_url":
                text += IMAGE_PLACEHOLDER
                images.append(part["image_url"]["url"])
            else:
                raise ValueError(f"a part of a message must be text or image_url, got {part.get('type')}")
        turns.append({"from": ROLES[message["role"]], "value": text})
    return {"conversations": turns} | ({"image": images} if images else {})
