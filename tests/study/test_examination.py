"""How a run's model is asked: its precision, its judge, and what is left where nobody knows the answers."""

import json
from pathlib import Path

import pytest
import torch
from lightning import LightningModule

from tests.benchmark.test_mm_vet import RECORDS, knowing, last_row, write_mm_vet
from tests.endpoint.server import serving
from vlm.cli import main
from vlm.model.generate import Answerer


@pytest.fixture
def trained(words: list[str], capsys: pytest.CaptureFixture[str]) -> list[str]:
    assert main(["train", *words, "evaluation=none"]) == 0
    capsys.readouterr()
    return words


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_model_answers_in_the_precision_that_is_said(
    precision: str, trained: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: set[torch.dtype] = set()
    stream = Answerer.stream

    def watched(self: Answerer, batches: object) -> object:
        assert isinstance(self.model, LightningModule)
        seen.update(weight.dtype for weight in self.model.parameters())
        return stream(self, batches)  # type: ignore[arg-type]

    monkeypatch.setattr(Answerer, "stream", watched)
    asked = ["evaluation.questions=4", "evaluation.controls=[blind]", f"evaluation.precision={precision}"]
    assert main(["evaluate", *trained, *asked]) == 0
    assert seen == {getattr(torch, precision)}
    [score] = tmp_path.glob("runs/instruct-*/evaluations/shapes-*[0-9a-f].json")
    how = json.loads(score.read_text())["how"]
    assert (how["precision"], how["batch_size"], how["devices"]) == (precision, 128, 1)
    assert {"prompt_hash", "version", "scoring", "content", "git_commit"} <= set(how)


def test_what_nobody_judges_is_collected_and_judged_later_without_asking_the_model_again(
    trained: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_mm_vet(tmp_path / "mm_vet")
    for picture in folder.glob("images/*"):
        picture.write_bytes(_any_picture(tmp_path))
    asked = ["evaluate", *trained, "benchmark=mm_vet", f"data={folder}", "evaluation.controls=[blind]"]
    assert main(asked) == 0
    assert "no score" in capsys.readouterr().out
    [answers] = tmp_path.glob("runs/*/evaluations/*/mm_vet.json")
    assert set(json.loads(answers.read_text())) == set(RECORDS)

    monkeypatch.setattr(Answerer, "_generate", None)
    with serving(answer=knowing) as server:
        judge = ["judge=openai", f"judge.base_url={server.url}", "judge.api_key_variable=null"]
        assert main([*asked, *judge, "evaluation.controls=[]"]) == 0
        assert sum(server.asked.values()) == 3
    assert "total" in capsys.readouterr().out
    kept = [
        json.loads(path.read_text()) for path in tmp_path.glob("runs/*/evaluations/mm_vet-*[0-9a-f].json")
    ]
    [judged] = [one for one in kept if "total" in one["metrics"]]
    assert judged["how"]["judge"]["served_models"] == ["judge-0314"]
    [evidence] = [
        path for path in tmp_path.glob("runs/*/evaluations/*.predictions.jsonl")
        if "evidence" in path.read_text()
    ]  # fmt: skip
    assert all(json.loads(line)["evidence"] for line in evidence.read_text().splitlines())


def test_given_answers_are_judged_both_as_the_model_and_as_controls(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_mm_vet(tmp_path / "mm_vet")
    given = tmp_path / "answers.json"
    given.write_text(json.dumps({"v1_0": "-1 and -5", "v1_1": "1.25", "v1_7": "a garage"}))
    with serving(answer=knowing) as server:
        judge = ["judge=openai", f"judge.base_url={server.url}", "judge.api_key_variable=null"]
        words = [f"answers={given}", "benchmark=mm_vet", f"data={folder}", f"paths.cache={tmp_path}/cache"]
        words.append(f"paths.data={tmp_path}/data")
        assert main(["evaluate", *words, *judge]) == 0
        told = {tuple(last_row(prompt)[:2]) for prompt in server.asked}
    assert len(told) == 3
    assert not (tmp_path / "data").exists(), "scoring answers to MM-Vet makes no shapes world"
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "mm_vet: 3 questions, 3 answered, 0 missing, 0 duplicated, 0 unparseable"
    assert lines[1].split()[:2] == ["total", "0.66667"]
    assert main(["evaluate", *words]) == 0
    assert "no score: right answers are withheld, or nobody judges" in capsys.readouterr().out


def _any_picture(folder: Path) -> bytes:
    from PIL import Image

    path = folder / "any.png"
    Image.new("RGB", (20, 30), (200, 10, 10)).save(path)
    return path.read_bytes()
