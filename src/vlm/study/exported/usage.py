"""How an exported model is used, for its card."""

from vlm.config import PARTS
from vlm.study.exported.plan import Extent, Format, Plan

PYTHON = """\
```python
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor

model = AutoModelForImageTextToText.from_pretrained("{name}")
processor = AutoProcessor.from_pretrained("{name}")
picture = {{"type": "image", "image": Image.open("picture.png")}}
question = {{"role": "user", "content": [picture, {{"type": "text", "text": "What is it?"}}]}}
inputs = processor.apply_chat_template(
    [question], tokenize=True, add_generation_prompt=True, return_dict=True, return_tensors="pt"
)
new = model.generate(**inputs, max_new_tokens=64)[0, inputs["input_ids"].shape[1] :]
print(processor.decode(new, skip_special_tokens=True))
```"""


def usage(plan: Plan, name: str) -> list[str]:
    """Return lines that load a folder, as Markdown.

    Args:
        plan: What was written.
        name: Of the folder.
    """
    if plan.format is Format.huggingface:
        return [PYTHON.format(name=name)]
    base = " base=FOLDER" if plan.extent is not Extent.whole and plan.format is Format.llava else ""
    lines = ["```", f"vlm evaluate run={name}{base} benchmark=NAME data=DIR"]
    if plan.format is Format.parts and plan.extent is Extent.whole:
        weights = " ".join(f"{part}.weights={name}/{part}" for part in PARTS)
        lines.append(f"vlm train {weights} ...")
    return [*lines, "```"]
