"""Licences of weights and data: what each asks for, and what they ask for together.

What is said here is a summary, and the licence's own text is what holds.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum


class Commercial(Enum):
    """Whether a licence lets others earn with what is made of the thing."""

    allowed = "is allowed"
    on_conditions = "is allowed on its conditions"
    unclear = "cannot be told from here"
    forbidden = "is forbidden"


@dataclass(frozen=True)
class Licence:
    """One licence.

    Args:
        name: In words.
        pattern: A regular expression of how it is written.
        commercial: Whether others may earn with it.
        asks: What it asks of whoever passes the model on.
        hub: What the model hub calls it; None is "other".
        because: Why it does not plainly allow commercial use.
    """

    name: str
    pattern: str
    commercial: Commercial
    asks: Sequence[str] = ()
    hub: str | None = None
    because: str = ""


def _llama(product: str, hub: str, built_with: str, begins_with: str) -> Licence:
    """Return Meta's licence from version 3 on.

    Args:
        product: As the licence calls it.
        hub: As the hub calls the licence.
        built_with: To be shown.
        begins_with: What the name of what is made of it begins with.
    """
    version = re.escape(hub.removeprefix("llama"))
    return Licence(
        f"{product} Community License",
        rf"llama[ -]?{version}\b(?!\.\d)",
        Commercial.on_conditions,
        (
            f'show "{built_with}" prominently beside the model, and begin its name with "{begins_with}"',
            f'pass on a copy of the agreement, and a notice: "{product} is licensed under the {product} '
            'Community License, Copyright (c) Meta Platforms, Inc. All Rights Reserved."',
            "keep to Meta's acceptable use policy",
        ),
        hub,
        "whoever has more than 700 million users a month must ask Meta",
    )


KNOWN: Sequence[Licence] = (
    Licence(
        "Apache-2.0", r"apache[- ]?(license )?2(\.0)?", Commercial.allowed,
        ("pass on the licence and its notices, and say what was changed",), "apache-2.0",
    ),
    Licence("MIT", r"\bMIT\b", Commercial.allowed, ("pass on the copyright notice and the licence",), "mit"),
    Licence(
        "BSD-3-Clause", r"bsd-3-clause", Commercial.allowed,
        ("pass on the copyright notice and the licence",), "bsd-3-clause",
    ),
    Licence("CC0-1.0", r"cc0|public domain", Commercial.allowed, (), "cc0-1.0"),
    Licence(
        "CC-BY-NC", r"cc[- ]by[- ]nc", Commercial.forbidden,
        ("name the authors, and say what was changed", "no commercial use"), "cc-by-nc-4.0",
        "it says non-commercial",
    ),
    Licence(
        "CC-BY-SA", r"cc[- ]by[- ]sa", Commercial.on_conditions,
        ("name the authors, and say what was changed", "pass adaptations on under the same licence"),
        "cc-by-sa-4.0", "adaptations take the same licence",
    ),
    Licence(
        "CC-BY", r"cc[- ]by(?![- ](nc|sa|nd))", Commercial.allowed,
        ("name the authors, and say what was changed",), "cc-by-4.0",
    ),
    Licence(
        "Llama 2 Community License", r"llama[ -]?2\b", Commercial.on_conditions,
        (
            'pass on a copy of the agreement, and a notice: "Llama 2 is licensed under the LLAMA 2 Community '
            'License, Copyright (c) Meta Platforms, Inc. All Rights Reserved."',
            "keep to Meta's acceptable use policy",
            "use neither the model nor its output to better any other large language model than Llama 2",
        ),
        "llama2", "whoever has more than 700 million users a month must ask Meta",
    ),
    _llama("Meta Llama 3", "llama3", "Built with Meta Llama 3", "Llama 3"),
    _llama("Llama 3.1", "llama3.1", "Built with Llama", "Llama"),
    _llama("Llama 3.2", "llama3.2", "Built with Llama", "Llama"),
    _llama("Llama 3.3", "llama3.3", "Built with Llama", "Llama"),
    Licence(
        "Gemma Terms of Use", r"gemma", Commercial.on_conditions,
        (
            "pass on the terms and their use restrictions, and a notice: \"Gemma is provided under and "
            'subject to the Gemma Terms of Use found at ai.google.dev/gemma/terms"',
            "keep to Google's prohibited use policy",
        ),
        "gemma", "its use restrictions go with every copy",
    ),
    Licence(
        "OpenAI terms of use", r"openai", Commercial.unclear,
        ("do not use it to develop models that compete with OpenAI",), None,
        "text that OpenAI's models wrote may not be used to develop models that compete with OpenAI",
    ),
    Licence(
        "pictures of COCO and Flickr", r"\bcoco\b|flickr", Commercial.unclear,
        ("each picture is its photographer's, under the terms that Flickr shows for it",), None,
        "each picture has its photographer's own terms, and some forbid it",
    ),
    Licence(
        "Visual Genome", r"visual genome", Commercial.unclear,
        ("name the authors (CC-BY-4.0); each picture is its photographer's",), None,
        "its pictures are of Flickr, and some of their terms forbid it",
    ),
    Licence(
        "Open Images", r"open ?images", Commercial.allowed,
        ("name the authors: annotations are CC-BY-4.0, pictures are listed as CC-BY-2.0",), None,
    ),
    Licence(
        "Conceptual Captions", r"conceptual captions", Commercial.unclear,
        ("acknowledge Google LLC as the source of the captions",), None,
        "captions are free, and pictures are whoever's they are",
    ),
    Licence(
        "pictures of the web or of book covers", r"pictures of (the web|book covers)", Commercial.unclear,
        ("each picture is whoever's made it",), None, "each picture is whoever's made it",
    ),
    Licence(
        "research use only", r"research[- ](use )?only|research use|non[- ]?commercial", Commercial.forbidden,
        ("research only: no commercial use",), None, "it is for research only",
    ),
)  # fmt: skip
"""What is known; of two that fit the same words, both count."""

FRAGMENTS = re.compile(r";|,| and ")


@dataclass(frozen=True)
class Terms:
    """What licences ask for together.

    Args:
        of: Text of each part and source, by what it is.
        found: What is known of each.
        unknown: What is not known, by what it is of.
    """

    of: Mapping[str, str]
    found: Mapping[str, Sequence[Licence]]
    unknown: Mapping[str, Sequence[str]]

    @classmethod
    def read(cls, texts: Mapping[str, str | None]) -> "Terms":
        """Read what is written of each part and source; nothing written is unknown."""
        said = {name: text or "unknown" for name, text in texts.items()}
        fragments = {name: _fragments(text) for name, text in said.items()}
        found = {
            name: [licence for licence in KNOWN if any(_fits(licence, part) for part in parts)]
            for name, parts in fragments.items()
        }
        unknown = {
            name: [part for part in parts if not any(_fits(licence, part) for licence in KNOWN)]
            for name, parts in fragments.items()
        }
        return cls(said, found, {name: parts for name, parts in unknown.items() if parts})

    def obligations(self) -> dict[str, list[str]]:
        """Return what is asked for, each with what asks for it."""
        asked: dict[str, list[str]] = {}
        for name, licences in self.found.items():
            for licence in licences:
                for obligation in licence.asks:
                    asked.setdefault(obligation, []).append(name)
        return asked

    def against_commercial_use(self) -> dict[str, str]:
        """Return what keeps anybody from saying that commercial use is allowed, and why; empty if nothing."""
        reasons = {
            name: f"commercial use {licence.commercial.value}: {licence.because} ({licence.name})"
            for name, licences in self.found.items()
            for licence in licences
            if licence.commercial in (Commercial.unclear, Commercial.forbidden)
        }
        lost = {
            name: f'its licence is not known: "{", ".join(parts)}"' for name, parts in self.unknown.items()
        }
        return {name: (lost | reasons)[name] for name in self.of if name in lost or name in reasons}

    def conditions(self) -> list[str]:
        """Return what commercial use depends on, where it is allowed."""
        return _once(
            f"{licence.because} ({licence.name})"
            for licences in self.found.values()
            for licence in licences
            if licence.commercial is Commercial.on_conditions
        )

    def hub(self) -> str:
        """Return the one licence that the model hub has for the whole, or "other"."""
        names = _once(licence.hub or "other" for licences in self.found.values() for licence in licences)
        strict = [name for name in names if name != "cc0-1.0"] or names[:1]
        return strict[0] if len(strict) == 1 and not self.unknown else "other"


def _fragments(text: str) -> list[str]:
    return [part.strip() for part in FRAGMENTS.split(text) if part.strip()]


def _fits(licence: Licence, text: str) -> bool:
    return re.search(licence.pattern, text, re.IGNORECASE) is not None


def _once(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(texts))
