"""`vlm prove` says of every cell whether it would run, and its exit status whether to book GPUs."""

import pytest
from torch import Tensor

from vlm.cli import main
from vlm.model.vision_language import VisionLanguageModel

ALIGN = ["stage=align_shapes", "evaluation=none"]


def test_cells_that_run_are_told_in_tables(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    axes = ["llm=tiny_llama,mistral7b", "mixture.caption.held_out=2"]
    assert main(["prove", "-m", *words, *ALIGN, *axes]) == 0
    lines = capsys.readouterr().out.splitlines()
    first, header, encoder, projector, llm = lines[:5]
    assert first.startswith("1/2 llm=tiny_llama: runs; 2 questions answered; exported for transformers (")
    columns = "stage visual supervised part learn of gradient changed held out resumed reloaded"
    assert header.split() == columns.split()
    assert encoder.split()[:2] == ["align", "9"]
    assert encoder.split()[3:8] == ["encoder", "0", "817,664", "-", "-"]
    assert float(encoder.split()[8]) > 0
    assert encoder.split()[9:] == ["equal", "equal"]
    assert projector.split() == ["projector", "33,024", "33,024", "4", "of", "4", "4", "of", "4"]
    assert llm.split()[:2] == ["llm", "0"]
    assert "note: llm=mistral7b instead of tiny_llama also changes llm.template (bare to mistral)" in lines
    absent = "note (cell 2): llm: the files of mistralai/Mistral-7B-Instruct-v0.2 are not all on this machine"
    assert [line for line in lines if line.startswith(absent)]
    assert lines[-1].startswith("2 of 2 cells run; 0 errors, 0 warnings, 2 notes; ")
    assert lines[-1].endswith("; nothing stands in the way of booking GPUs")


@pytest.mark.parametrize(
    ("more", "named"),
    [
        (
            ["stage.after=null", "stage.learns.llm=adapter", "adapter=lora64", "adapter.targets=[nowhere]"],
            "fails: stage instruct: adapter.targets=['nowhere'] match no linear layer of the llm",
        ),
        (
            [*ALIGN, "stage.template._target_=tests.study.prove.faults.SilentTemplate"],
            "samples teach nothing, or the wrong thing (",
        ),
    ],
    ids=["adapter", "template"],
)
def test_a_fault_is_named(
    more: list[str], named: str, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["prove", *words, *more]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"1/1 {' '.join([*words, *more])}: fails: stage ")
    assert named in lines[0]
    assert lines[-1].endswith("book no GPU for it yet")


def test_faults_stop_no_other_cell(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    axes = ["projector=identity,linear", "trainer.log_every=1,2", "llm.context_length=8"]
    assert main(["prove", "-m", *words, *ALIGN, *axes]) == 1
    lines = capsys.readouterr().out.splitlines()
    failed = "1/4 projector=identity trainer.log_every=1: fails: stage align: stage.learns leaves nothing"
    assert [line for line in lines if line.startswith(failed)]
    assert [line for line in lines if line.startswith("3/4 projector=linear trainer.log_every=1: runs; ")]
    identical = (
        "error: cells 3, 4 are identical: they train the same weights and ask them the same "
        "(projector=linear trainer.log_every=1; projector=linear trainer.log_every=2)"
    )
    assert [line for line in lines if line.startswith(identical)]
    context = (
        "error (cells 3, 4): the 9 visual tokens of a picture leave no room for words; raise "
        "llm.context_length=8, or choose a projector of fewer tokens"
    )
    assert context in lines
    assert lines[-1].startswith("2 of 4 cells run; ")
    assert lines[-1].endswith("book no GPU for it yet")


def test_a_part_without_gradient_is_named(
    words: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    embed = VisionLanguageModel.embed

    def cut(self: VisionLanguageModel, *inputs: Tensor) -> Tensor:
        return embed(self, *inputs).detach()

    monkeypatch.setattr(VisionLanguageModel, "embed", cut)
    assert main(["prove", *words, "stage.after=null"]) == 1
    out = capsys.readouterr().out
    assert "fails: stage instruct: stage.learns.projector=full, but no gradient reaches it at step 0" in out


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (["-m", "projector=linear,foo"], "projector/foo"),
        (["projector=linear,mlp2"], "projector=linear,mlp2"),
        (["-m", "seed=1,2", "stage.batch_size=0"], "stage.batch_size must be at least 1"),
    ],
)
def test_wrong_words_are_told_from_faults(
    wrong: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["prove", *wrong]) == 2
    printed = capsys.readouterr().err
    assert named in printed
    assert len(printed.strip().splitlines()) == 1
