"""Whether the benchmarks that are asked after training, or while it goes on, have what they read."""

from collections.abc import Iterator

from omegaconf import DictConfig

from vlm.build_benchmarks import build_benchmark
from vlm.study.prove.lint import Level, Lint, one_line


def look_at_benchmarks(config: DictConfig) -> Iterator[Lint]:
    """Find those whose files are not there; what this project makes itself will be made."""
    for name, node in config.evaluation.benchmarks.items():
        try:
            build_benchmark(node).content()
        except Exception as error:  # of any kind: an InstantiationException, a file that is no JSON
            if node.get("made_by") is None:
                yield Lint(Level.error, f"evaluation.benchmarks.{name}: {one_line(error)}")
