"""Write a model for others, read it again as they would, and let nothing stand that is not the same."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf

from vlm.build import build_image_transform, build_model
from vlm.compose import compose_sentence
from vlm.data.image import ImageTransform
from vlm.exchange import to_llava
from vlm.exchange.card import FILE as CARD_FILE
from vlm.exchange.card import render
from vlm.exchange.chat import template_name
from vlm.exchange.foreign import OURS_FILE, recognise
from vlm.exchange.to_huggingface import check_huggingface, write_huggingface
from vlm.exchange.to_parts import write_parts
from vlm.exchange.verify import (
    Said,
    Verified,
    ask_ours,
    ask_transformers,
    compare,
    drawn_prompts,
    fitting,
    pixel_difference,
    sample_prompts,
)
from vlm.exchange.written import whole_or_absent
from vlm.llm.decoding import Decoding
from vlm.model.generate import Answerer
from vlm.model.vision_language import VisionLanguageModel
from vlm.quiet import quiet_libraries
from vlm.run.folder import write_json
from vlm.strategy.single import Single
from vlm.study.exported.facts import describe, manifest_of
from vlm.study.exported.plan import Extent, Format, Plan
from vlm.study.exported.samples import own_samples
from vlm.study.named import open_named
from vlm.study.stage import load_model, open_state
from vlm.training.weights import save_adapter

NEW_TOKENS = 16
"""Of each answer that is compared."""
SILENT = ("evaluation=none", "tracking=none")
"""Words of a sentence that asks nothing and keeps no record."""


@dataclass(frozen=True)
class Opened:
    """A model to be exported.

    Args:
        model: Built, adapters merged.
        transform: How it prepares pictures.
        adapter: Of the LLM, in peft's format, if there is one.
    """

    model: VisionLanguageModel
    transform: ImageTransform
    adapter: Path | None

    def answerer(self) -> Answerer:
        """Return what answers as the model was tuned to."""
        return Answerer(self.model, self.model.llm.template, self.transform, Decoding(NEW_TOKENS))


def export(plan: Plan, output: Path) -> Verified:
    """Write a folder, and hold what is read from it to what was written.

    Args:
        plan: What to write.
        output: Must be absent, or empty; when this fails, nothing is there.

    Raises:
        ValueError: The format cannot hold the model, something is there already, or what is read differs.
    """
    quiet_libraries()
    torch.set_num_threads(plan.planned.config.trainer.num_threads)
    with whole_or_absent(output) as folder, TemporaryDirectory() as beside:
        opened = _open(plan, Path(beside))
        _check(plan, opened)
        answerer = opened.answerer()
        wanted = [*sample_prompts(own_samples(plan)), *drawn_prompts()]
        prompts = fitting(answerer, wanted)
        said = ask_ours(answerer, prompts)
        _write(plan, opened, folder)
        llm = opened.model.llm.tokenizer.name_or_path
        facts = describe(plan, opened.model, opened.transform, output)
        del opened, answerer  # one model at a time is held
        again, pixels = _ask_again(plan, folder, llm, prompts)
        verified = compare(said, again, plan.format.value, pixels)
        (folder / CARD_FILE).write_text(render(facts(verified)), encoding="utf-8")
    return verified


def _check(plan: Plan, opened: Opened) -> None:
    if plan.format is Format.huggingface:
        check_huggingface(opened.model, opened.transform)
    elif plan.format is Format.llava:
        to_llava.check_llava(opened.model, opened.transform)


def _open(plan: Plan, beside: Path) -> Opened:
    """Return the model, its adapters merged.

    Args:
        plan: What to write.
        beside: A folder for the adapter of a run that goes on.
    """
    planned, named = plan.planned, plan.named
    adapter = None
    if named.is_foreign:
        model = named.load()
    elif named.step is None:
        model = load_model(planned)
        adapter = planned.folder.weights / "llm"
    else:
        task = open_state(planned, named.step)
        for part, adapted in task.adapters.items():
            if part == "llm":
                adapter = beside / "llm"
                save_adapter(adapted, adapter, Single())
            adapted.merge_and_unload(safe_merge=True)  # type: ignore[operator]
        model = task.model.eval()
    transform = build_image_transform(planned.config, model)
    return Opened(model, transform, adapter if plan.extent is Extent.adapter else None)


def _write(plan: Plan, opened: Opened, folder: Path) -> None:
    model, transform = opened.model, opened.transform
    if plan.format is Format.parts:
        manifest = manifest_of(plan, model, transform)
        write_parts(model, plan.planned.config, manifest, folder, opened.adapter)
        return
    if plan.format is Format.huggingface:
        write_huggingface(model, transform, folder)
    elif plan.extent is Extent.projector:
        to_llava.write_projector(model, transform, folder, model.llm.source, plan.has_published_tower)
    elif opened.adapter is not None:
        published = plan.has_published_tower
        to_llava.write_adapter(model, transform, folder, model.llm.source, opened.adapter, published)
    else:
        to_llava.write_whole(model, transform, folder, plan.has_published_tower)
    write_json(folder / OURS_FILE, _ours(plan.planned.config, model))


def _ours(config: DictConfig, model: VisionLanguageModel) -> Mapping[str, Any]:
    """Return what no file of the others says, and we want to know when we read it again."""
    return {
        "template": template_name(config.llm.template),
        "context_length": model.llm.context_length,
    }


def _ask_again(plan: Plan, folder: Path, llm: str, prompts: Sequence[Any]) -> tuple[list[Said], float | None]:
    """Ask what was written, read as its readers would."""
    if plan.format is Format.huggingface:
        return ask_transformers(folder, prompts, NEW_TOKENS), pixel_difference(folder, prompts)
    if plan.format is Format.parts:
        named = open_named(str(folder), None, SILENT)
        config, model = named.sentence.config, named.load()
    else:
        foreign = recognise(folder, None if plan.extent is Extent.whole else Path(llm))
        assert foreign is not None
        config = _with_template(compose_sentence([*foreign.words, *SILENT]).config, plan.planned.config)
        model = build_model(config)
        model.configure_model()
        foreign.load(model)
    return ask_ours(
        Opened(model.eval(), build_image_transform(config, model), None).answerer(), prompts
    ), None


def _with_template(config: DictConfig, ours: DictConfig) -> DictConfig:
    """Return a config with our template, if it is one that others have no name for."""
    if template_name(ours.llm.template) is not None:
        return config
    config = config.copy()
    OmegaConf.set_readonly(config, False)
    config.llm.template = ours.llm.template
    return config
