"""What a sentence's outermost stage would read, shown to a person."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from vlm.build import plan_model
from vlm.build_data import build_readers
from vlm.compose import compose_sentence
from vlm.corpus.generate import ensure_sources
from vlm.corpus.inspect import to_page, to_terminal, view
from vlm.data.gate import describe, look, spread
from vlm.data.measure import Measures


def inspect_sentence(words: Sequence[str], show: int, source: str | None, page: Path | None) -> None:
    """Print samples of every source and, if told where, write them as a page.

    Args:
        words: The sentence.
        show: Samples of each source, spread evenly over it.
        source: The only one to show; None shows all.
        page: HTML file to write.

    Raises:
        ValueError: There is no such source, or the LLM's tokenizer is not here.
    """
    config = compose_sentence(words).config
    ensure_sources(config)
    readers = build_readers(config, plan_model(config))
    if source is not None and source not in readers:
        raise ValueError(f"source={source} is none of the mixture's; choose one of {', '.join(readers)}")
    chosen = {name: reader for name, reader in readers.items() if source in (None, name)}
    cache = Path(config.paths.cache) / "measures"
    reports = [look(Measures(reader, cache), config.trainer.gate.samples or 1) for reader in chosen.values()]
    table = list(describe(reports))
    views = []
    for reader in chosen.values():
        views += [view(reader, int(number)) for number in spread(0, len(reader.shards), show)]
    console = Console(highlight=False, soft_wrap=True)
    console.print("\n".join(table))
    for seen in views:
        console.print(to_terminal(seen))
    if page:
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(to_page(f"{config.stage.name}: {', '.join(chosen)}", table, views))
        console.print(f"written: {page}")
