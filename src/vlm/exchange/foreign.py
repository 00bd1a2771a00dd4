"""A model that others have trained: its files say what it is, never its folder's name."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlm.exchange import huggingface, llava
from vlm.exchange.chat import template_choices
from vlm.exchange.lora import CONFIG_FILE as LORA_CONFIG_FILE
from vlm.exchange.lora import LoRA
from vlm.exchange.places import Places
from vlm.exchange.settings import read_json
from vlm.exchange.tensors import Weights, has_tower
from vlm.exchange.words import TEMPLATE
from vlm.llm.slices import INDEXES, WHOLES, checkpoint_files
from vlm.model.vision_language import VisionLanguageModel
from vlm.paths import checkpoint_path
from vlm.run.fingerprint import files_hash, fingerprint
from vlm.tensor_file import first_line

CONFIG_FILE = "config.json"
PROJECTOR_FILE = "mm_projector.bin"
OTHERS_FILE = "non_lora_trainables.bin"
OURS_FILE = "vlm.json"
"""What we write beside a model for others, of which they have no word: its template, its context."""
TOKENIZER_FILES = (
    "tokenizer.json", "tokenizer.model", "tokenizer_config.json", "special_tokens_map.json",
    "added_tokens.json", "vocab.json", "merges.txt", "chat_template.jinja",
)  # fmt: skip
"""What a tokenizer may be kept in."""


@dataclass(frozen=True)
class Foreign:
    """A model that others have trained.

    Args:
        folder: Where it was found.
        words: Of the sentence whose model has its architecture, its tokenizer, its template, and its way to
            prepare pictures; more words may follow and change these.
        tokenizer: Where that is: a folder, or a hub's name.
        weights: Its tensors; later ones stand in the place of earlier ones.
        lora: What is added to them.
    """

    folder: Path
    words: list[str]
    tokenizer: str
    weights: Sequence[Weights]
    lora: LoRA | None = None

    def content(self) -> str:
        """Return a hash of its tensors, its adapter and its tokenizer; a published tower is in its words."""
        files = [path for weights in self.weights for path in weights.paths]
        files += [self.lora.path, self.folder / LORA_CONFIG_FILE] if self.lora else []
        files += [Path(self.tokenizer) / name for name in TOKENIZER_FILES]
        return fingerprint({"files": [[path.name, files_hash(path)] for path in files if path.is_file()]})

    def load(self, model: VisionLanguageModel) -> None:
        """Fill a model of the words, one tensor after another.

        A tower that is in none of the files has been read already, from where it is published.

        Args:
            model: Its parts built.

        Raises:
            ValueError: A tensor is missing, belongs nowhere, or has another shape; a file is damaged, or
                pickles more than tensors.
        """
        places = Places(model)
        for weights in self.weights:
            for where, piece, values in weights:
                places.fill(piece, values, where)
        if not has_tower(self.weights):
            places.empty = {piece for piece in places.empty if not piece.startswith("encoder.")}
        if places.empty:
            lost = self.weights[0].layout.theirs(min(places.empty))
            raise ValueError(f"{self.folder} lacks {lost}; copy it again")
        if self.lora:
            self.lora.add_to(places)


def recognise(folder: Path, base: Path | None) -> Foreign | None:
    """Return the model that a folder holds; no tensor of it is read.

    Args:
        folder: LLaVA's (a whole model, a connector, or a LoRA adapter), or transformers' LLaVA or LLaVA-NeXT.
        base: What a connector or an adapter was trained on: a folder, or a hub's name; None is what its
            files say.

    Returns:
        None if it is none of these.

    Raises:
        ValueError: It is one, and cannot be read: files are missing or damaged, it is more than a sentence
            can say, or a base goes with it and is not known, or does not and is given.
    """
    settings = read_json(folder / CONFIG_FILE) if (folder / CONFIG_FILE).is_file() else {}
    if (folder / LORA_CONFIG_FILE).is_file():
        return _adapted(folder, settings, base)
    if not _is_model(settings):
        return None
    if any((folder / name).is_file() for name in (*INDEXES, *WHOLES)):
        if base is not None:
            raise ValueError(f"base={base} has no effect: {folder} holds a whole model; leave it out")
        weights = [_whole(str(folder))]
        return Foreign(folder, _words(folder, settings, weights, str(folder)), str(folder), weights)
    if (folder / PROJECTOR_FILE).is_file():
        found = _base(folder, base, settings.get("_name_or_path"))
        weights = [_base_weights(found), Weights.of([folder / PROJECTOR_FILE])]
        return Foreign(folder, _words(folder, settings, weights, found), found, weights)
    raise ValueError(
        f"{folder} has a {CONFIG_FILE} and none of {', '.join((*INDEXES, *WHOLES, PROJECTOR_FILE))}; "
        "copy it again"
    )


def _is_model(settings: Mapping[str, Any]) -> bool:
    """Whether a configuration is a LLaVA's, of either kind.

    Raises:
        ValueError: It is that of a relative, which cannot be read.
    """
    kind = str(settings.get("model_type", ""))
    if settings.get("mm_vision_tower") or (kind in huggingface.MODELS and "vision_config" in settings):
        return True
    if "llava" in kind:
        raise ValueError(
            f"model_type={kind} cannot be read; LLaVA's own can, if config.json says its mm_vision_tower, "
            f"and transformers' {' and '.join(huggingface.MODELS)}"
        )
    return False


def _words(folder: Path, settings: Mapping[str, Any], weights: Sequence[Weights], files: str) -> list[str]:
    if settings.get("mm_vision_tower"):
        words = llava.words(settings, weights, folder / CONFIG_FILE, files)
    else:
        words = huggingface.words(folder, settings, weights)
    return _as_we_said(folder, words)


def _as_we_said(folder: Path, words: list[str]) -> list[str]:
    """Return the words with what we wrote beside the model, if we did."""
    said = read_json(folder / OURS_FILE) if (folder / OURS_FILE).is_file() else {}
    if said.get("template") in template_choices():
        words = [word for word in words if not word.startswith(TEMPLATE)]
        words.append(f"{TEMPLATE}{said['template']}")
    if isinstance(said.get("context_length"), int):
        words.append(f"llm.context_length={said['context_length']}")
    return words


def _adapted(folder: Path, settings: Mapping[str, Any], base: Path | None) -> Foreign | None:
    """Return a model with an adapter, whose configuration is its own, or its base's."""
    stated = read_json(folder / LORA_CONFIG_FILE).get("base_model_name_or_path")
    described = folder
    if not _is_model(settings):
        described = Path(_base(folder, base, stated))
        settings = read_json(described / CONFIG_FILE) if (described / CONFIG_FILE).is_file() else {}
        if not _is_model(settings):
            return None
    found, lora = _base(folder, base, stated), LoRA.at(folder)
    own = [path for path in (folder / OTHERS_FILE, lora.path) if path.is_file()]
    weights = [_base_weights(found), *(Weights.of([path]) for path in own)]
    return Foreign(folder, _words(described, settings, weights, found), found, weights, lora)


def _base(folder: Path, base: Path | None, stated: Any) -> str:
    """Return the folder, or the hub's name, that a part was trained on.

    Raises:
        ValueError: Neither the words nor the files say it.
    """
    found = str(base or stated or "")
    if not found:
        raise ValueError(f"{folder} holds a part of a model, and does not say of which; say base=FOLDER")
    return str(checkpoint_path(found) or found)


def _base_weights(base: str) -> Weights:
    """Return the tensors of a base.

    Raises:
        ValueError: They are nowhere, or damaged.
    """
    try:
        return _whole(base)
    except OSError as error:
        raise ValueError(
            f"base={base} is no folder with weights, and no hub gives it ({first_line(error)}); "
            "say base=FOLDER"
        ) from error


def _whole(files: str) -> Weights:
    """Return the tensors of a model.

    Raises:
        OSError: There are none.
        ValueError: They are damaged.
    """
    try:
        paths = checkpoint_files(files)
    except (json.JSONDecodeError, KeyError) as error:
        raise ValueError(
            f"{files} has a damaged index of weights ({first_line(error)}); copy it again"
        ) from error
    return Weights.of(paths)
