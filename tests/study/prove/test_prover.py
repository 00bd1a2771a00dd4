"""A proof finds what is wrong with a cell, and what cells have in common is done once."""

from pathlib import Path

import pytest

from vlm.compose import compose_sentence
from vlm.sentence import read_sentence
from vlm.study import stage as study_stage
from vlm.study.prove import prover as proving
from vlm.study.prove.lint import Level
from vlm.study.prove.prover import CellProof, prove_cells
from vlm.study.prove.twin import as_twin
from vlm.training.resume import Resumable

ALIGN = ["stage=align_shapes"]


def prove(words: list[str], *cells: list[str]) -> list[CellProof]:
    return list(prove_cells([compose_sentence([*words, *cell]) for cell in cells or [[]]]))


def texts(proof: CellProof, level: Level) -> list[str]:
    return [lint.text for lint in proof.lints if lint.level is level]


def test_two_stages_are_proven_at_both_sizes(words: list[str], tmp_path: Path) -> None:
    held = ["mixture.ocr.held_out=20", "trainer.sample_answers=4"]
    first, second = prove(words, held, [*held, "evaluation.decoding.num_beams=2"])
    assert (first.error, second.error) == (None, None)
    assert first.stages == ["align", "instruct"]
    assert (first.known, second.known) == ([False, False], [True, True])
    align, instruct = first.proofs
    assert align.held_out_loss is None
    assert instruct.held_out_loss is not None
    assert len(align.losses) == 2
    assert align.losses[0] != align.losses[1]
    for proof in (align, instruct):
        assert (proof.resumed, proof.reloaded, proof.saw_pictures, proof.faults()) == (True, True, True, [])
    projector, llm = instruct.parts["projector"], instruct.parts["llm"]
    assert projector.learning == projector.changed == 4
    assert llm.learning == llm.changed == llm.weights
    assert (align.parts["llm"].learning, align.parts["encoder"].disturbed) == (0, 0)
    assert len(first.answers) == 3
    assert first.exported == second.exported == "exported for transformers"
    sizes = first.sizes[1]
    learning, parameters = sizes.parts["llm"]
    assert learning == parameters > 900_000, "of the real LLM, not of its twin"
    assert sizes.supervised > 4
    assert not list(tmp_path.glob("runs*")), "nothing is left where runs lie"


def test_a_run_whose_files_are_elsewhere_is_known_by_its_sizes(words: list[str]) -> None:
    """Missing data is an error, and missing weights are a note; the twin needs neither."""
    stage = ["stage=instruct_lora", "stage.after=null", "mixture=llava_lcs558k", "adapter.rank=64"]
    parts = ["encoder=clip336", "llm=vicuna7b", "llm.weights=nowhere/else", "projector.weights=lost.bin"]
    parts.append("template@llm.template=own")
    [proof] = prove(words, [*stage, *parts])
    assert proof.error is None
    sizes, seen = proof.sizes[0], proof.proofs[0].parts
    assert (sizes.visual_tokens, sizes.supervised) == ((576, 576), None)
    assert sizes.parts["projector"] == (20_979_712, 20_979_712)
    assert sizes.parts["llm"][0] == 64 * 32 * (4 * 8192 + 3 * (4096 + 11008))
    assert seen["llm"].learning == seen["llm"].changed == 28, "two matrices beside each layer of the twin"
    assert not seen["llm"].without_gradient
    [error] = texts(proof, Level.error)
    assert error.startswith("stage instruct_lora: mixture.lcs.shards=")
    assert error.endswith("matches no .tar file; give shards, or make them: vlm data pack")
    notes = "; ".join(texts(proof, Level.note))
    for lost in ("llm.weights=nowhere/else", "projector.weights=lost.bin"):
        assert f"{lost} is not there; it has to be, where the run is" in notes
    assert "llm: the files of lmsys/vicuna-7b-v1.5 are not all on this machine; the run fetches them" in notes


def test_missing_shards_and_questions_tell_cells_apart(words: list[str], tmp_path: Path) -> None:
    lost = [*words, *ALIGN, "mixture=folder"]
    same = [*lost, "mixture.samples.shards=a.tar", "trainer.log_every=3"]
    asked = [*same, "evaluation.decoding.num_beams=2"]
    cells = ([*lost, "mixture.samples.shards=a.tar"], same, [*lost, "mixture.samples.shards=b.tar"], asked)
    proofs = []
    for sentence in map(compose_sentence, cells):
        planned = read_sentence(as_twin(sentence.config, tmp_path))
        proofs.append(CellProof(identity=proving.identify(sentence, planned)))
    [lint] = proving.identical_cells(["a", "a, logged", "b", "a, asked"], proofs)
    assert lint.text.startswith("cells 1, 2 are identical")


def test_a_world_that_is_not_there_is_made_small(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proving.Prover, "_try", lambda *_: None)
    [proof] = prove(words, [*ALIGN, f"paths.data={tmp_path}/empty"])
    assert (proof.error, texts(proof, Level.error)) == (None, [])
    assert proof.sizes[0].supervised
    assert not (tmp_path / "empty").exists()


def test_what_is_not_read_is_found(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A state that a run goes on from, and the files of what it learned."""
    monkeypatch.setattr(Resumable, "on_fit_start", lambda *_: None)
    monkeypatch.setattr(study_stage, "load_weights", lambda *_: None)
    [proof] = prove(words, ALIGN)
    state, files = proof.proofs[0].faults()
    assert state == "the step after a resumed state is not the one that an uninterrupted run does"
    assert files == "the model read from its files does not compute what the trained one does"
    assert proof.error == f"stage align: {state}"
