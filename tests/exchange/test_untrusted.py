"""Files of somebody else's that would run code, and do not."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.exchange.test_huggingface import write
from tests.exchange.test_llava import Malicious
from tests.exchange.upstream import (
    LLAVA_SETTINGS,
    change_json,
    llava,
    load,
    released,
    write_base,
    write_json,
    write_llava,
    write_tower,
)
from vlm.exchange.foreign import recognise

CODE = "from pathlib import Path\nPath({mark!r}).touch()\n\nclass Evil:\n    pass\n"


def plant(folder: Path, mark: Path) -> dict[str, Any]:
    """Code beside a model, and what points to it from its settings."""
    (folder / "evil.py").write_text(CODE.format(mark=str(mark)))
    kinds = (
        "AutoConfig",
        "AutoModel",
        "AutoModelForCausalLM",
        "AutoModelForImageTextToText",
        "AutoProcessor",
    )
    return {"auto_map": {**dict.fromkeys(kinds, "evil.Evil"), "AutoTokenizer": ["evil.Evil", "evil.Evil"]}}


def test_code_beside_a_model_of_transformers_is_not_run(tmp_path: Path) -> None:
    folder, mark = write(tmp_path / "x", llava()), tmp_path / "mark"
    for name in ("config.json", "tokenizer_config.json", "preprocessor_config.json"):
        change_json(folder / name, **plant(folder, mark))
    load(folder)
    assert not mark.exists()


def test_code_beside_a_model_of_llavas_is_not_run(tmp_path: Path) -> None:
    theirs, mark = llava(), tmp_path / "mark"
    tower = write_tower(theirs, tmp_path / "tower")
    folder = write_llava(tmp_path / "x", released(theirs), mm_vision_tower=str(tower))
    for where in (folder, tower):
        change_json(where / "config.json", **plant(where, mark))
    change_json(folder / "tokenizer_config.json", **plant(folder, mark))
    load(folder)
    assert not mark.exists()


def test_a_kind_that_only_its_own_code_knows_is_refused(tmp_path: Path) -> None:
    folder, mark = write(tmp_path / "x", llava()), tmp_path / "mark"
    settings = json.loads((folder / "config.json").read_text())
    change_json(
        folder / "config.json",
        text_config={**settings["text_config"], "model_type": "evil"},
        **plant(folder, mark),
    )
    with pytest.raises(ValueError, match="transformers knows"):
        recognise(folder, None)
    assert not mark.exists()


@pytest.mark.parametrize("name", ["mm_projector.bin", "non_lora_trainables.bin", "adapter_model.bin"])
def test_pickles_of_parts_are_refused(name: str, tmp_path: Path) -> None:
    theirs, mark, folder = llava(), tmp_path / "mark", tmp_path / "x"
    tower, base = write_tower(theirs, tmp_path / "tower"), write_base(theirs, tmp_path / "base")
    folder.mkdir()
    write_json(folder / "config.json", {**LLAVA_SETTINGS, "mm_vision_tower": str(tower)})
    torch.save({"model.mm_projector.0.weight": Malicious(mark)}, folder / name)
    if name != "mm_projector.bin":
        write_json(folder / "adapter_config.json", {"peft_type": "LORA", "r": 2, "lora_alpha": 2})
        torch.save({}, folder / "adapter_model.bin") if name != "adapter_model.bin" else None
    with pytest.raises(ValueError, match="holds more than tensors"):
        load(folder, base)
    assert not mark.exists()


def test_a_word_of_ours_that_is_no_template_is_passed_over(tmp_path: Path) -> None:
    folder = write(tmp_path / "x", llava())
    for said in ("../../evil", "own.yaml", {"_target_": "os.system"}, 3, ["v1"]):
        write_json(folder / "vlm.json", {"template": said, "context_length": "${oc.env:HOME}"})
        foreign = recognise(folder, None)
        assert foreign is not None
        assert "template@llm.template=v1" in foreign.words
        assert not [word for word in foreign.words if "context_length" in word]
