"""Our template as a chat template of transformers (Jinja), and which of the templates it is."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf
from transformers import PreTrainedTokenizerBase

from vlm.data.llava import HeadedTemplate
from vlm.data.sample import IMAGE_PLACEHOLDER
from vlm.data.template import PlainTemplate, Template, TurnTemplate
from vlm.data.tokens import encode
from vlm.paths import config_dir

OPENING = """\
{{%- set all = namespace(text={system}) -%}}
{{%- for message in messages -%}}
  {{%- set said = namespace(text='') -%}}
  {{%- if message['content'] is string -%}}
    {{%- set said.text = message['content'] -%}}
  {{%- else -%}}
    {{%- for part in message['content'] -%}}
      {{%- if part['type'] == 'image' -%}}
        {{%- set said.text = said.text + '<image>\\n' -%}}
      {{%- elif part['type'] == 'text' -%}}
        {{%- set said.text = said.text + part['text'] -%}}
      {{%- endif -%}}
    {{%- endfor -%}}
  {{%- endif -%}}
  {{%- if message['role'] == 'user' -%}}
    {{%- set all.text = all.text + {human} -%}}
  {{%- elif message['role'] == 'assistant' -%}}
    {{%- set all.text = all.text + {assistant} -%}}
  {{%- else -%}}
    {{{{- raise_exception('the model was taught with a system text of its own; leave yours out') -}}}}
  {{%- endif -%}}
{{%- endfor -%}}
{{%- set all.text = all.text + {end} -%}}
"""
"""Puts the conversation together."""

CLOSING = """\
{{%- for chunk in all.text.split('<image>') -%}}
  {{%- if not loop.first -%}}
    {{{{- '<image>' + ({gap} if chunk else '') -}}}}
  {{%- endif -%}}
  {{{{- chunk -}}}}
{{%- endfor -%}}
"""
"""Writes it down: what stands between pictures is tokenized as a text of its own."""

PROBES = ("\nWhat color is it?", "\n", " What is it?", "What is it? ASSISTANT:", "\n\nIs it 3 or 4?")
"""Texts that may follow a picture."""


def chat_template(template: Template, gap: str) -> str:
    """Return a template in Jinja, for messages of `user` and `assistant`; a picture is a line of its own.

    Args:
        template: As the LLM uses it.
        gap: What stands between a picture and the text after it, as `gap_after_pictures` finds it.

    Raises:
        ValueError: It is of no kind that is known.
    """
    if isinstance(template, TurnTemplate):
        before = template.human_end.rstrip(" ")
        spaces = template.human_end[len(before) :]
        separated = f"({template.separator!a} if not loop.first else '')"
        filled = {
            "system": ascii(template.system),
            "human": f"{separated} + {template.human_start!a} + said.text + {before!a}",
            "assistant": f"{spaces!a} + said.text + {template.answer_end!a}",
            "end": "''",
        }
    elif isinstance(template, HeadedTemplate):
        names = {side: ascii(f"### {name}: ") for side, name in template.names.items()}
        filled = {
            "system": ascii(f"{template.system}\n\n"),
            "human": f"{names['human']} + said.text + '\\n'",
            "assistant": f"{names['gpt']} + said.text + '\\n'",
            "end": ascii(f"### {template.names['gpt']}:"),
        }
    elif isinstance(template, PlainTemplate):
        filled = {
            "system": "''",
            "human": "'<image>'",
            "assistant": f"said.text + {template.answer_end!a}",
            "end": "''",
        }
    else:
        raise ValueError(f"{type(template).__name__} is no template that can be written down for others")
    return OPENING.format(**filled) + CLOSING.format(gap=ascii(gap))


def gap_after_pictures(tokenizer: PreTrainedTokenizerBase, others: PreTrainedTokenizerBase) -> str:
    """Return what must follow a picture, for the text after it to become the tokens that it becomes here.

    sentencepiece puts a space before every text; some of its forms do so at the very beginning only.

    Args:
        tokenizer: Ours.
        others: The same, with `<image>` as a token.

    Raises:
        ValueError: Nothing does.
    """
    for gap in ("", " "):
        if all(_after_picture(others, gap + text) == encode(text, tokenizer)[0] for text in PROBES):
            return gap
    raise ValueError(
        f"the tokenizer of {tokenizer.name_or_path} reads a text after {IMAGE_PLACEHOLDER} otherwise than by "
        "itself; export it with format=parts"
    )


def _after_picture(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    ids: list[int] = tokenizer(f"So: {IMAGE_PLACEHOLDER}{text}", add_special_tokens=False)["input_ids"]
    return ids[ids.index(tokenizer.convert_tokens_to_ids(IMAGE_PLACEHOLDER)) + 1 :]


def template_name(settings: DictConfig) -> str | None:
    """Return the choice of the group `template` that has these settings; None if it is none."""
    wanted = OmegaConf.to_container(settings, resolve=True)
    return next((name for name in template_choices() if _settings(name) == wanted), None)


def template_choices() -> Sequence[str]:
    """Return the choices of the group `template`."""
    return sorted(path.stem for path in _folder().glob("*.yaml"))


def _folder() -> Path:
    return config_dir() / "template"


def _settings(name: str) -> Any:
    """Return the settings of a choice, those that it builds on among them."""
    node = cast(DictConfig, OmegaConf.load(_folder() / f"{name}.yaml"))
    found: dict[str, Any] = {}
    for base in node.pop("defaults", []):
        found |= {} if base == "_self_" else _settings(re.sub(r".*/", "", str(base)))
    return found | cast(dict[str, Any], OmegaConf.to_container(node, resolve=True))
