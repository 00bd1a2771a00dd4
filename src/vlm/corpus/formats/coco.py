"""Pictures of COCO (arXiv:1405.0312) as LLaVA names them."""

PREFIX = "coco/train2017"
"""LLaVA's folder, for the datasets on train2014 too: its pictures are all in train2017."""


def coco_name(image_id: int) -> str:
    """Return a picture's name, without folder and extension."""
    return f"{image_id:012d}"


def coco_file(prefix: str, image_id: int) -> str:
    """Return a picture's file in the folder `prefix`."""
    return f"{prefix}/{coco_name(image_id)}.jpg"
