"""A cell whose model cannot be written for others as it is fails its proof."""

import pytest

from tests.study.prove.test_prover import ALIGN, prove
from vlm.exchange.verify import DifferentError
from vlm.study.prove import exporting


def test_what_transformers_cannot_hold_is_exported_as_parts(words: list[str]) -> None:
    adapted = ["stage=instruct_shapes", "stage.after=null", "adapter=lora64", "stage.learns.llm=adapter"]
    plain, tuned = prove(words, [*ALIGN, "projector=mlp4"], [*adapted, "projector=mlp4"])
    for proof in (plain, tuned):
        assert proof.error is None
        assert proof.exported.startswith("exported as parts (")
        assert "format=parts" in proof.exported


def test_an_export_that_differs_fails_the_cell(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def differ(*_: object) -> None:
        raise DifferentError("huggingface gives other logits")

    monkeypatch.setattr(exporting, "export", differ)
    [proof] = prove(words, ALIGN)
    assert proof.error == "export: huggingface gives other logits"
