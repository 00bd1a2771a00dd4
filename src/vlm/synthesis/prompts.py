"""What a language model is told before it reads about a picture.

A folder for each kind of reply, with files as LLaVA names them: `system_message.txt`, and examples
`000_caps.txt` and `000_conv.txt`, ... So LLaVA's own folder can be read in place of ours.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vlm.endpoint.request import Messages, hash_of
from vlm.synthesis.contexts import Context

FEW_SHOT = Path(__file__).parent / "few_shot"
"""The prompts that come with this project."""

FOLDERS = {"conversation": "conversation", "detail": "detail_description", "reasoning": "complex_reasoning"}
"""Of each kind; a conversation is made from captions alone, the others from boxes, too."""


@dataclass(frozen=True)
class Prompt:
    """What comes before a picture's context.

    Args:
        kind: Of the reply.
        system: Says what to write.
        examples: Contexts and the replies that they deserve.
        system_role: Whether the model reads system messages; else the first user message begins with it.
    """

    kind: str
    system: str
    examples: Sequence[tuple[str, str]]
    system_role: bool = True

    def messages(self, context: Context) -> Messages:
        """Return what is sent for a picture; the picture itself never is."""
        said: list[tuple[str, str]] = []
        for given, reply in self.examples:
            said += [("user", given), ("assistant", reply)]
        said.append(("user", context.text(with_boxes=self.kind != "conversation")))
        if self.system_role:
            said.insert(0, ("system", self.system))
        else:
            said[0] = ("user", f"{self.system}\n\n{said[0][1]}")
        return [{"role": role, "content": text} for role, text in said]

    @property
    def digest(self) -> str:
        """A hash of all that is said for every picture."""
        return hash_of([self.system, list(self.examples)])


def load_prompt(folder: Path, kind: str, shots: int | None = None, system_role: bool = True) -> Prompt:
    """Return the prompt of a kind.

    Args:
        folder: Of all kinds.
        kind: One of `FOLDERS`.
        shots: Examples at most; None for all that there are.
        system_role: Whether the model reads system messages.

    Raises:
        ValueError: The kind is none, or a file is missing.
    """
    if kind not in FOLDERS:
        raise ValueError(f"kinds={kind} is none; choose some of {', '.join(FOLDERS)}")
    own = folder / FOLDERS[kind]
    examples = [
        (_read(path), _read(path.with_name(path.name.replace("_caps", "_conv"))))
        for path in sorted(own.glob("*_caps.txt"))[:shots]
    ]
    return Prompt(kind, _read(own / "system_message.txt"), examples, system_role)


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8").strip()
    except OSError as error:
        raise ValueError(
            f"prompts: {path} cannot be read; a kind's folder has system_message.txt, and for each "
            "NNN_caps.txt an NNN_conv.txt"
        ) from error
