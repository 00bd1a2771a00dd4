"""Published sets as they come: converted, packed, checked, and inspected as a model reads them."""

import json
import re
import tarfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import SHARED
from vlm.cli import main

pytestmark = pytest.mark.skipif(not SHARED.exists(), reason="the real sets are not here")
PROMPT = "\nAnswer the question using a single word or phrase."


def record(image: str, pairs: list[tuple[str, str]]) -> dict[str, Any]:
    """A LLaVA record of questions and answers about a picture."""
    turns = []
    for place, (question, answer) in enumerate(pairs):
        asked = question if place else f"<image>\n{question}{PROMPT}"
        turns += [{"from": "human", "value": asked}, {"from": "gpt", "value": answer}]
    return {"id": Path(image).stem, "image": image, "conversations": turns}


def easy_vqa(folder: Path) -> Iterator[dict[str, Any]]:
    """Its test split: 1,000 pictures, 9,673 rows of question, answer, number of the picture."""
    with tarfile.open(SHARED / "easy_vqa.tar.gz") as tar:
        tar.extractall(folder, filter="data")
    about = defaultdict(list)
    for question, answer, number in json.loads((folder / "easy_vqa/test/questions.json").read_text()):
        about[number].append((question, answer))
    for number, pairs in about.items():
        yield record(f"easy_vqa/test/images/{number}.png", pairs)


def coco128(folder: Path) -> Iterator[dict[str, Any]]:
    """YOLO's boxes as questions for what is there; two pictures have no labels and are left out."""
    (folder / "coco").symlink_to(SHARED / "coco128")
    names = yaml.safe_load((SHARED / "coco128/config.yaml").read_text())["names"]
    for labels in sorted((SHARED / "coco128/labels/train2017").glob("*.txt")):
        image = f"coco/train2017/{labels.stem}.jpg"
        kinds = {names[int(line.split()[0])] for line in labels.read_text().splitlines()}
        if (folder / image).is_file():
            yield record(image, [("Which things are in the picture?", ", ".join(sorted(kinds)))])


@pytest.mark.parametrize(
    ("convert", "samples", "answer"), [(easy_vqa, 1000, "triangle"), (coco128, 126, "car, cat")]
)
def test_a_set_goes_from_its_files_to_what_the_model_reads(
    convert: Callable[[Path], Iterator[dict[str, Any]]],
    samples: int,
    answer: str,
    tmp_path: Path,
    words: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "records.json").write_text(json.dumps(list(convert(tmp_path))))
    output = tmp_path / "packed"
    assert main(["data", "pack", f"json={tmp_path}/records.json", f"images={tmp_path}", f"output={output}",
                 "samples_per_shard=100"]) == 0  # fmt: skip
    assert f"{samples} samples packed" in capsys.readouterr().out
    check = ["data", "check", f"shards={output}/*.tar", f"report={tmp_path}/report.json"]
    assert main(check) == 0
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["sound"]
    assert (report["samples"], report["pictures"]) == (samples, samples)
    assert main([*check, f"against={tmp_path}/{'coco' if convert is coco128 else 'easy_vqa'}"]) == 1  # itself
    capsys.readouterr()
    page = tmp_path / "page.html"
    source = f"+mixture.real.shards={output}/*.tar"
    assert main(["data", "inspect", "show=5", "source=real", f"page={page}", source, *words]) == 0
    printed = capsys.readouterr().out
    assert "real/" in printed
    assert "picture: 9 tokens" in printed
    assert answer in re.sub("<[^>]*>", "", page.read_text())  # tokens have tags of their own
