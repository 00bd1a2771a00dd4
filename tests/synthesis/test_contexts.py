"""What is known of a picture, whatever it was written in."""

import json
from pathlib import Path

import pytest

from vlm.synthesis.contexts import Box, Context
from vlm.synthesis.read_coco import coco_files, read_coco
from vlm.synthesis.read_json import read_json
from vlm.synthesis.read_shapes import read_shapes


def coco(folder: Path) -> Path:
    """COCO's files, of three pictures whose rows lie in no order."""
    pictures = [
        {"id": 9, "file_name": "000000000009.jpg", "width": 640, "height": 480},
        {"id": 3, "file_name": "000000000003.jpg", "width": 200, "height": 400},
        {"id": 5, "file_name": "000000000005.jpg", "width": 100, "height": 100},
    ]
    captions = [
        {"image_id": 9, "id": 72, "caption": "A dog\nruns. "},
        {"image_id": 3, "id": 71, "caption": "A cat."},
        {"image_id": 9, "id": 70, "caption": "The dog plays."},
        {"image_id": 9, "id": 73, "caption": "A dog runs."},
    ]
    boxes = [
        {"image_id": 9, "id": 2, "category_id": 18, "bbox": [0, 120, 320, 240], "iscrowd": 0,
         "segmentation": [[1.5, 2.0]]},
        {"image_id": 9, "id": 1, "category_id": 1, "bbox": [213.3, 100, 500, 400], "iscrowd": 0},
        {"image_id": 9, "id": 3, "category_id": 1, "bbox": [0, 0, 640, 480], "iscrowd": 1},
    ]  # fmt: skip
    categories = [{"id": 1, "name": "person"}, {"id": 18, "name": "dog"}]
    (folder / "annotations").mkdir(parents=True)
    path = folder / "annotations/captions_val.json"
    path.write_text(json.dumps({"images": pictures, "annotations": captions}))
    path.with_name("instances_val.json").write_text(
        json.dumps({"images": pictures, "categories": categories, "annotations": boxes})
    )
    return path


def test_coco_is_joined_and_its_boxes_are_shares_of_the_picture(tmp_path: Path) -> None:
    path = coco(tmp_path)
    assert coco_files(tmp_path, None) == (path, path.with_name("instances_val.json"))
    cat, nothing, dog = read_coco(*coco_files(tmp_path, None))
    assert (cat.key, cat.image, cat.captions, cat.boxes) == (
        "000000000003", "000000000003.jpg", ("A cat.",), (),
    )  # fmt: skip
    assert nothing.captions == ()
    assert dog.captions == ("The dog plays.", "A dog runs.")
    assert dog.boxes == (Box("person", (0.333, 0.208, 1.0, 1.0)), Box("dog", (0.0, 0.25, 0.5, 0.75)))
    assert dog.text(with_boxes=True) == (
        "The dog plays.\nA dog runs.\n\nperson: [0.333, 0.208, 1.0, 1.0]\ndog: [0.0, 0.25, 0.5, 0.75]"
    )
    assert dog.text(with_boxes=False) == "The dog plays.\nA dog runs."
    assert [context.boxes for context in read_coco(path, None)] == [(), (), ()]


def test_what_is_not_cocos_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"must hold one captions_\*.json, has none"):
        coco_files(tmp_path, None)
    path = coco(tmp_path)
    with pytest.raises(ValueError, match="row 0 must be an object with image_id, id, caption"):
        list(read_coco(path.with_name("instances_val.json"), None))
    path.write_text(path.read_text()[:-40])
    with pytest.raises(ValueError, match=r"source=.*captions_val.json cannot be read"):
        list(read_coco(path, None))


ROWS = [
    {"id": 7, "image": "a/7.jpg", "captions": ["One.", "Two.", "One."],
     "boxes": [{"category": "cup", "box": [10, 20, 30, 40]}], "width": 100, "height": 200},
    {"image": "8.jpg", "caption": "Three.", "boxes": [{"category": "cup", "box": [0, 0.12349, 1, 1]}]},
    {"image": "9.jpg",
     "conversations": [{"from": "human", "value": "What?"}, {"from": "gpt", "value": "Four."}]},
    {"image": "10.jpg"},
]  # fmt: skip


@pytest.mark.parametrize("lines", [False, True])
def test_any_json_with_captions_is_read(lines: bool, tmp_path: Path) -> None:
    path = tmp_path / "source"
    path.write_text(
        "\n".join(json.dumps(row) for row in ROWS) + "\n" if lines else json.dumps(ROWS, indent=1)
    )
    assert list(read_json(path)) == [
        Context("7", "a/7.jpg", ("One.", "Two."), (Box("cup", (0.1, 0.1, 0.3, 0.2)),)),
        Context("8", "8.jpg", ("Three.",), (Box("cup", (0.0, 0.123, 1.0, 1.0)),)),
        Context("9", "9.jpg", ("Four.",)),
        Context("10", "10.jpg", ()),
    ]
    assert [Context.read(json.loads(json.dumps(one.row()))) for one in read_json(path)] == list(
        read_json(path)
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[1]", "row 0 must be an object with captions"),
        ('[{"image": ["a"]}]', "row 0: image must be one path"),
        ('[{"boxes": [{"category": "x", "box": [1, 2, 3]}]}]', r"boxes\[0\] must be"),
        ('[{"boxes": [{"category": "x", "box": [1, 2, 3, 4]}]}]', r"boxes\[0\] is beyond 0 to 1"),
        ('[{"caption": "x"}', "cannot be read"),
        ('{"caption": "x"}\n{"caption"\n', "line 2 is no JSON"),
    ],
)
def test_what_is_wrong_with_a_row_is_named(text: str, why: str, tmp_path: Path) -> None:
    path = tmp_path / "source.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=why):
        list(read_json(path))


def test_a_scene_of_the_shapes_world_is_read_back(data_folder: Path, tmp_path: Path) -> None:
    contexts = list(read_shapes(data_folder / "shapes", tmp_path))
    assert len(contexts) == 120
    for context in contexts:
        (caption,) = context.captions
        assert (tmp_path / context.image).read_bytes().startswith(b"\xff\xd8")
        assert len(context.boxes) == caption.count(" at the ")
        assert all(box.category.split()[-1] in caption for box in context.boxes)
    thirds = {0.0, 0.333, 0.667, 1.0}
    assert {edge for context in contexts for box in context.boxes for edge in box.corners} == thirds
    at_the_right = next(
        box for one in contexts for box in one.boxes if f"{box.category} at the right" in one.captions[0]
    )
    assert at_the_right.corners == (0.667, 0.333, 1.0, 0.667)
