"""Train the packaged tiny parts from nothing: `make parts`, or `python train.py encoder`, or `... llm`.

Writes the parts in their upstream formats under src/vlm/assets/, and manifest.json, which says how each
was made and how good it is. Nothing here ever sees a scene of the test split.
"""

import argparse
import json
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from corpus import CHAT
from encoder import MEAN, STD, probe, train_encoder
from llm import reading_skills, train_llm
from safetensors.torch import save_file
from tokenizer import train_tokenizer
from transformers import AutoModelForCausalLM, AutoTokenizer

from vlm.encoder.open_clip import WEIGHTS_FILE, OpenCLIPEncoder
from vlm.encoder.open_clip_tower import CONFIG_FILE
from vlm.paths import assets_dir
from vlm.run.fingerprint import files_hash

SEED = 0
NUM_THREADS = {"tiny_clip": 1, "tiny_llama": 2}
ENCODER_STEPS, ENCODER_BATCH, ENCODER_RATE = 1500, 256, 1.5e-3
LLM_STEPS, LLM_BATCH, LLM_RATE = 8500, 32, 2e-3
NUM_QUESTIONS = 5000  # behind each accuracy in the manifest
LICENCE = "Apache-2.0"


def make_encoder(folder: Path, log: Path) -> dict[str, Any]:
    """Train tiny_clip; write it in open_clip's hub format; return what the manifest says of it."""
    tokenizer = train_tokenizer(SEED)
    config = json.loads(Path(__file__).with_name("tiny_clip.json").read_text())
    config["text_cfg"]["vocab_size"] = len(tokenizer)
    tower, loss = train_encoder(config, tokenizer, ENCODER_STEPS, ENCODER_BATCH, ENCODER_RATE, SEED, log)
    folder.mkdir(parents=True, exist_ok=True)
    preprocess = {"mean": [MEAN] * 3, "std": [STD] * 3}
    described = {"model_cfg": config, "preprocess_cfg": preprocess}
    (folder / CONFIG_FILE).write_text(json.dumps(described, indent=2) + "\n")
    # Half precision halves the package; the probe below reads what was written.
    halves = {f"visual.{name}": tensor.half().contiguous() for name, tensor in tower.state_dict().items()}
    save_file(halves, folder / WEIGHTS_FILE)
    return {"steps": ENCODER_STEPS, "loss": loss, "probe_accuracy": probe_encoder(folder)}


def probe_encoder(folder: Path, num_scenes: int = 4000) -> dict[str, float]:
    """Probe the features that the framework's own encoder reads from the written files."""
    encoder = OpenCLIPEncoder(None, str(folder), "pretrained", -2, False, [MEAN] * 3, [STD] * 3, LICENCE)
    encoder.configure_model()
    return probe(encoder.eval(), seed=1, num_scenes=num_scenes)


def make_llm(folder: Path, log: Path) -> dict[str, Any]:
    """Train tiny_llama; write it in transformers' format; return what the manifest says of it."""
    tokenizer = train_tokenizer(SEED)
    config = json.loads(Path(__file__).with_name("tiny_llama.json").read_text()) | {
        "vocab_size": len(tokenizer)
    }
    llm, loss = train_llm(config, tokenizer, CHAT, LLM_STEPS, LLM_BATCH, LLM_RATE, SEED, log)
    llm.half().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return {"steps": LLM_STEPS, "loss": loss, **read_skills(folder, NUM_QUESTIONS)}


def read_skills(folder: Path, num_questions: int) -> dict[str, dict[str, float]]:
    """Measure how well the LLM in the written files answers about scenes that it reads."""
    llm = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    return reading_skills(llm, tokenizer, CHAT, num_questions, seed=2)


PARTS = {"tiny_clip": make_encoder, "tiny_llama": make_llm}


def main() -> None:
    """Train the named parts, or both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", default=list(PARTS), choices=list(PARTS))
    parser.add_argument("--log", type=Path, default=Path(tempfile.gettempdir()), help="folder of the logs")
    asked = parser.parse_args()
    for name in asked.parts:
        torch.set_num_threads(NUM_THREADS[name])
        folder = assets_dir() / name
        figures = PARTS[name](folder, asked.log / f"{name}.jsonl")
        record(name, folder, figures)


def record(name: str, folder: Path, figures: dict[str, Any]) -> None:
    """Put a part's line into the manifest."""
    path = assets_dir() / "manifest.json"
    manifest = json.loads(path.read_text()) if path.is_file() else {}
    files = {file.name: files_hash(file) for file in sorted(folder.iterdir())}
    manifest[name] = {
        "command": f"python train.py {name}",
        "seed": SEED,
        "date": datetime.now(UTC).date().isoformat(),
        "licence": LICENCE,
        **figures,
        "files": files,
    }
    path.write_text(json.dumps(dict(sorted(manifest.items())), indent=2) + "\n")


if __name__ == "__main__":
    main()
