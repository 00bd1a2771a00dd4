"""How a stage has conversations written, against what its LLM was taught."""

from collections.abc import Iterator, Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf

from vlm.data.template import PlainTemplate
from vlm.instantiate import make
from vlm.model.vision_language import VisionLanguageModel
from vlm.paths import config_dir
from vlm.sentence import sources
from vlm.study.prove.lint import Level, Lint
from vlm.study.prove.reading import has_tokenizer
from vlm.values import Learning


def check_templates(
    config: DictConfig, model: VisionLanguageModel, choices: Mapping[str, str]
) -> Iterator[Lint]:
    """Find templates that the LLM of a sentence's outermost stage will not read as it was taught.

    Args:
        config: The sentence.
        model: Planned.
        choices: The word of each group.
    """
    stage = config.stage
    own = [config.stage.template, *(source.template for source in sources(config).values())]
    chosen = [node or config.llm.template for node in own]
    plain = any(isinstance(make(node), PlainTemplate) for node in chosen)
    if plain and stage.learns.llm is not Learning.frozen:
        yield Lint(
            Level.warning,
            f"stage {stage.name} teaches the LLM by template plain, which drops what humans say; "
            "stage.template=null takes the LLM's own",
        )
    for node in own:
        if node and not isinstance(make(node), PlainTemplate) and not _same(node, config.llm.template):
            yield Lint(
                Level.warning,
                f"stage {stage.name} has a template that is not the own one of llm={choices['llm']}; "
                "stage.template=null takes that",
            )
            break
    yield from _taught(choices)
    yield from _closing(chosen, model, choices["llm"])
    yield from _is_base(config, model, choices["llm"])


def _same(first: DictConfig, second: DictConfig) -> bool:
    return OmegaConf.to_container(first, resolve=True) == OmegaConf.to_container(second, resolve=True)


def _taught(choices: Mapping[str, str]) -> Iterator[Lint]:
    """Hold the template that the LLM is given to the one that its own file names."""
    stated = _stated(choices["llm"]).get("defaults") or []
    taught = [entry["/template@template"] for entry in stated if "/template@template" in entry]
    given = choices.get("template@llm.template")
    if taught and given and given not in (taught[0], "own") and taught[0] != "???":
        yield Lint(
            Level.warning,
            f"llm={choices['llm']} was taught template {taught[0]}, and is given {given}",
        )


def _closing(chosen: list[Any], model: VisionLanguageModel, llm: str) -> Iterator[Lint]:
    """Find answers whose end is no token, which a model that was taught the template would have."""
    if not has_tokenizer(model):
        return
    known = model.llm.tokenizer.get_vocab()
    for end in dict.fromkeys(make(node).of(model.llm.tokenizer).answer_end.strip() for node in chosen):
        if end and end not in known:
            yield Lint(
                Level.warning,
                f"the template closes answers with {end}, which is no token of llm={llm}: an instruct "
                "template on a base LLM, or another LLM's; answers will not end there",
            )


def _is_base(config: DictConfig, model: VisionLanguageModel, llm: str) -> Iterator[Lint]:
    """Find LLMs for which nobody vouches, and whose tokenizer has no conversation in it."""
    if config.llm.get("checkpoint") == _stated(llm).get("checkpoint") or not has_tokenizer(model):
        return
    if model.llm.tokenizer.chat_template is None:
        yield Lint(
            Level.warning,
            f"llm.checkpoint={config.llm.checkpoint} carries no chat template, as base LLMs do not; an "
            "instruct template is new to it",
        )


def _stated(llm: str) -> dict[str, Any]:
    plain = OmegaConf.to_container(OmegaConf.load(config_dir() / "llm" / f"{llm}.yaml"), resolve=False)
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}
