"""What is in pictures, from three forms of annotations."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import SHARED
from vlm.corpus.objects.annotations import Annotated, read_coco, read_lines, read_yolo

COCO: dict[str, Any] = {
    "images": [
        {"id": 9, "file_name": "b.jpg"},
        {"id": 4, "file_name": "a.jpg"},
        {"id": 5, "file_name": "c.jpg"},
    ],
    "categories": [{"id": 18, "name": "dog"}, {"id": 1, "name": "person"}],
    "annotations": [
        {"image_id": 4, "category_id": 1},
        {"image_id": 9, "category_id": 18},
        {"image_id": 4, "category_id": 18},
        {"image_id": 4, "category_id": 1},
    ],
}


def test_cocos_instances_are_things_by_picture_each_once(tmp_path: Path) -> None:
    (tmp_path / "instances.json").write_text(json.dumps(COCO))
    assert read_coco(str(tmp_path / "instances.json")) == [
        Annotated("b.jpg", ("dog",), 9),
        Annotated("a.jpg", ("person", "dog"), 4),
        Annotated("c.jpg", (), 5),
    ]
    (tmp_path / "instances.json").write_text(json.dumps(COCO | {"categories": COCO["categories"][:1]}))
    with pytest.raises(ValueError, match=r"instances.json: annotation 0 is of category 1, which the file"):
        read_coco(str(tmp_path / "instances.json"))


def test_popes_own_lines(tmp_path: Path) -> None:
    (tmp_path / "truth.json").write_text(
        '{"image": "a.jpg", "objects": ["cat", "bed", "cat"], "image_id": 3}\n'
    )
    assert read_lines(str(tmp_path / "truth.json")) == [Annotated("a.jpg", ("cat", "bed"))]
    (tmp_path / "truth.json").write_text('{"image": "a.jpg"}\n')
    with pytest.raises(ValueError, match=r"truth.json: row 0 has no objects; mend or drop it"):
        read_lines(str(tmp_path / "truth.json"))


def write_yolo(folder: Path, names: str = "names:\n  0: cat\n  1: traffic light\n") -> tuple[str, str, str]:
    """Three label files, one of which has no picture; and a picture that has none."""
    for part in ("labels/train", "train"):
        (folder / part).mkdir(parents=True)
    (folder / "labels/train/1.txt").write_text("1 0.5 0.5 0.1 0.1\n0 0.5 0.5 0.1 0.1\n1 0.2 0.2 0.1 0.1\n")
    (folder / "labels/train/2.txt").write_text("\n")
    (folder / "labels/train/3.txt").write_text("0 0.5 0.5 0.1 0.1\n")
    for name in ("1.jpg", "2.png", "4.jpg"):
        (folder / "train" / name).write_bytes(b"picture")
    (folder / "names.yaml").write_text(names)
    return f"{folder}/labels", f"{folder}/names.yaml", str(folder)


@pytest.mark.parametrize("names", ["names:\n  0: cat\n  1: traffic light\n", "names: [cat, traffic light]\n"])
def test_yolos_labels_are_things_by_the_path_of_their_picture(names: str, tmp_path: Path) -> None:
    assert read_yolo(*write_yolo(tmp_path, names)) == [
        Annotated("train/1.jpg", ("traffic light", "cat")),
        Annotated("train/2.png", ()),
    ]


def test_what_is_wrong_with_yolos_files_is_named(tmp_path: Path) -> None:
    labels, names, images = write_yolo(tmp_path)
    with pytest.raises(ValueError, match=r"has 3 label files .* and images=.*/labels the picture of none"):
        read_yolo(labels, names, labels)
    with pytest.raises(ValueError, match=r"^names=.*none.yaml cannot be read"):
        read_yolo(labels, f"{tmp_path}/none.yaml", images)
    (tmp_path / "names.yaml").write_text("train: x\n")
    with pytest.raises(ValueError, match=r"^names=.*names.yaml has no names; take the YAML file"):
        read_yolo(labels, names, images)
    (tmp_path / "names.yaml").write_text("names: [cat]\n")
    with pytest.raises(ValueError, match=r"1.txt: line 1 begins with 1, which is the number of no name"):
        read_yolo(labels, names, images)


@pytest.mark.skipif(not (SHARED / "coco128").is_dir(), reason="coco128 is not here")
def test_coco128s_labels_without_a_picture_are_left_out() -> None:
    annotated = read_yolo(f"{SHARED}/coco128/labels", f"{SHARED}/coco128/config.yaml", f"{SHARED}/coco128")
    found = {picture.image: picture.objects for picture in annotated}
    assert len(found) == 254
    assert set(found["train2017/000000000009.jpg"]) == {"bowl", "orange", "broccoli"}
    assert not {"train2017/000000000656.jpg", "train2017/000000000250.jpg"} & set(found)
