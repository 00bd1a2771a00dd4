"""`vlm export`: written, read again, the same; or nothing is there."""

import json
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf
from peft import PeftConfig

from tests.exchange.made import assert_same_weights, files_of, make
from tests.exchange.test_huggingface import write
from tests.exchange.upstream import llava, load
from vlm.cli import main
from vlm.compose import compose_sentence
from vlm.exchange import to_huggingface, to_llava
from vlm.exchange.places import pieces_of
from vlm.exchange.written import whole_or_absent
from vlm.sentence import read_sentence
from vlm.study.named import open_named

LORA = ("adapter=lora64", "adapter.rank=4", "stage.learns.llm=adapter")


def train(*said: str) -> Path:
    """Train a little; return the run's folder."""
    assert main(["train", *said, "evaluation=none"]) == 0
    return read_sentence(compose_sentence(said).config).folder.path


@pytest.fixture(scope="module")
def small(data_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Words of small runs that tests share."""
    folder = tmp_path_factory.mktemp("shared")
    return [
        f"paths.data={data_folder}", f"paths.runs={folder}/runs", f"paths.cache={folder}/cache",
        "tracking=none", "stage.batch_size=4", "trainer.max_steps=2", "trainer.num_threads=1",
        "stage.after=null",
    ]  # fmt: skip


@pytest.fixture(scope="module")
def plain(small: list[str]) -> Path:
    return train(*small)


@pytest.fixture(scope="module")
def adapted(small: list[str]) -> Path:
    return train(*small, *LORA)


def loaded(folder: Path) -> torch.nn.Module:
    return open_named(str(folder), None, ["evaluation=none", "tracking=none"]).load()


def test_a_run_goes_out_in_all_formats(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By its words and by its folder; each is whole, verified, and described."""
    asked = ["evaluation.questions=6", "evaluation.controls=[blind]", "evaluation.resamples=20"]
    said = [*words, "trainer.max_steps=2", "evaluation=shapes", *asked]
    assert main(["train", *said]) == 0
    folder = read_sentence(compose_sentence(said).config).folder.path
    capsys.readouterr()
    before = loaded(folder)
    for kind in ("huggingface", "llava", "parts"):
        output = tmp_path / f"out/{kind}"
        named = said if kind == "llava" else [f"run={folder}"]
        assert main(["export", *named, f"format={kind}", f"output={output}"]) == 0
        line = capsys.readouterr().out
        assert line.startswith(f"{output}: 7 prompts: logits differ by at most ")
        assert "greedy tokens are equal" in line
        assert [path.name for path in output.parent.iterdir() if path.name.startswith(".")] == []
        again = loaded(output) if kind == "parts" else load(output)[0]
        assert_same_weights(before, again)
        card = (output / "README.md").read_text()
        assert str(tmp_path) not in card
        front = OmegaConf.create(card.split("---")[1])
        assert front.license == "apache-2.0"
        assert front.pipeline_tag == "image-text-to-text"
        assert "attribute" in front.datasets
        assert "### 1. align" in card
        assert "### 2. instruct" in card
        assert "| shapes | accuracy |" in card
        assert "no part forbids it" in card
        assert "git_commit" in card


def test_what_differs_fails_and_leaves_nothing(
    plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    written = to_huggingface.pieces_of

    def spoiled(model: torch.nn.Module) -> dict[str, torch.Tensor]:
        tensors = written(model)
        name = "projector.layers.2.bias"
        return tensors | {name: tensors[name] + 0.5}

    for module, kind in ((to_huggingface, "huggingface"), (to_llava, "llava")):
        monkeypatch.setattr(module, "pieces_of", spoiled)
        assert main(["export", f"run={plain}", f"format={kind}", f"output={tmp_path}/out/x"]) == 2
        error = capsys.readouterr().err
        assert f"{kind} gives other logits: they differ by" in error
        assert error.count("\n") == 1
        assert list((tmp_path / "out").iterdir()) == []


def test_a_template_that_is_read_otherwise_fails(
    plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    right = to_huggingface.chat_template
    monkeypatch.setattr(
        to_huggingface, "chat_template", lambda *given: right(*given).replace("USER: ", "Human: ")
    )
    assert main(["export", f"run={plain}", "format=huggingface", f"output={tmp_path}/x"]) == 2
    assert "huggingface reads prompt 1 as other tokens: from place 1" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("kind", ["llava", "parts", "huggingface"])
def test_lora_goes_out_as_an_adapter_or_merged(
    kind: str, adapted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, out = loaded(adapted), tmp_path / "out"
    export = ["export", f"run={adapted}", f"format={kind}"]
    assert main([*export, f"output={out}"]) == 0
    files = files_of(out)
    if kind == "huggingface":
        assert not any("adapter" in name for name in files)
        assert main([*export, "merge=false", f"output={out}2"]) == 2
        assert "transformers loads whole models" in capsys.readouterr().err
        return
    place = out if kind == "llava" else out / "weights/llm"
    assert PeftConfig.from_pretrained(place).base_model_name_or_path == "tiny_llama"
    assert not any(name.startswith(("llm/", "model")) for name in files)
    assert ("non_lora_trainables.bin" in files) == (kind == "llava")
    assert_close(before, load(out)[0] if kind == "llava" else loaded(out))
    assert main([*export, "merge=true", f"output={out}2"]) == 0
    files = files_of(tmp_path / "out2")
    assert not any("adapter" in name for name in files)
    assert_same_weights(before, load(tmp_path / "out2")[0] if kind == "llava" else loaded(tmp_path / "out2"))


def assert_close(one: torch.nn.Module, other: torch.nn.Module) -> None:
    """Merged here and there, in another order of sums."""
    mine, its = pieces_of(one), pieces_of(other)
    for name, weight in mine.items():
        assert torch.allclose(weight, its[name], atol=1e-6), name


def test_a_projector_goes_out_alone_after_align(words: list[str], tmp_path: Path) -> None:
    folder = train(*words, "stage=align_shapes")
    export = ["export", f"run={folder}", "format=llava"]
    assert main([*export, f"output={tmp_path}/alone"]) == 0
    assert {"mm_projector.bin", "config.json", "README.md"} <= files_of(tmp_path / "alone")
    assert not list((tmp_path / "alone").glob("*.safetensors"))
    assert main([*export, "merge=true", f"output={tmp_path}/whole"]) == 0
    assert "model.safetensors" in files_of(tmp_path / "whole")


def test_a_state_of_a_run_that_goes_on_goes_out(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = [
        *words,
        *LORA,
        "stage.after=null",
        "mixture.attribute.held_out=4",
        "trainer.keep_best=true",
        "trainer.validate_every=1",
    ]
    assert main(["train", *said, "evaluation=none", "trainer.max_steps=2"]) == 0
    folder = read_sentence(compose_sentence([*said, "trainer.max_steps=2"]).config).folder
    folder.manifest.unlink()  # it was killed before its end
    capsys.readouterr()
    export = ["export", f"run={folder}", "format=parts"]
    assert main([*export, f"output={tmp_path}/x"]) == 2
    assert "is not trained to its end; finish it, or say checkpoint=last" in capsys.readouterr().err
    assert main([*export, "checkpoint=9", f"output={tmp_path}/x"]) == 2
    assert "checkpoint=9 is none of" in capsys.readouterr().err
    assert main([*export, "checkpoint=last", f"output={tmp_path}/x"]) == 0
    assert (tmp_path / "x/weights/llm/adapter_config.json").is_file()
    manifest = json.loads((tmp_path / "x/manifest.json").read_text())
    assert manifest["exported"]["step"] in (1, 2)
    assert main(["export", *said, "trainer.max_steps=2", "format=huggingface", "checkpoint=last",
                 f"output={tmp_path}/y"]) == 0  # fmt: skip
    assert "unfinished" in (tmp_path / "y/README.md").read_text()


def test_a_model_that_others_trained_goes_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """transformers -> LLaVA -> parts."""
    folder = write(tmp_path / "theirs", llava())
    steps = (("llava", folder), ("parts", tmp_path / "llava"))
    for kind, source in steps:
        export = ["export", f"run={source}", f"format={kind}", f"output={tmp_path}/{kind}"]
        assert main(export) == 0
    assert_same_weights(load(folder)[0], loaded(tmp_path / "parts"))
    card = (tmp_path / "parts/README.md").read_text()
    assert "It was trained by others" in card
    assert "this card cannot say that it is allowed" in card
    assert "what others trained it with" in card


def test_words_that_do_not_go_are_one_line(
    plain: Path, small: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").touch()
    run, out = f"run={plain}", f"output={tmp_path}/x"
    for words, message in (
        ([run, "format=onnx", out], "format must be one of huggingface, llava, parts, got onnx"),
        ([run, out], "format= must be given"),
        ([run, "format=parts", "merge=true", out], "merge=true has no effect"),
        ([run, "format=parts", f"output={tmp_path}/full"], "is there already"),
        (["format=parts", "base=x", out], "base=x has no effect without run=MODEL"),
        ([*small, "seed=77", "format=parts", out], "is not trained to its end"),
    ):
        assert main(["export", *words]) == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1
    assert not (tmp_path / "x").exists()


def test_a_folder_is_whole_or_absent(tmp_path: Path) -> None:
    def fail() -> None:
        with whole_or_absent(tmp_path / "x") as folder:
            (folder / "file").touch()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "x").mkdir()
    with whole_or_absent(tmp_path / "x") as folder:
        (folder / "file").touch()
        assert not any((tmp_path / "x").iterdir())
    assert files_of(tmp_path / "x") == {"file"}


def test_projectors_of_others_start_ours(tmp_path: Path) -> None:
    """`weights=PATH` of a part, whatever holds it."""
    change = {
        "model.mm_projector.0.weight": torch.ones(128, 128),
        "model.mm_projector.0.bias": torch.ones(128),
    }
    change |= {
        "model.mm_projector.2.weight": torch.ones(128, 128),
        "model.mm_projector.2.bias": torch.ones(128),
    }
    torch.save({f"base_model.model.{name}": value for name, value in change.items()}, tmp_path / "others.bin")
    model, _, _ = make(f"projector.weights={tmp_path}/others.bin")
    assert torch.equal(model.projector.layers[2].bias, torch.ones(128))
