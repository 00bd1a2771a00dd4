"""Config to benchmarks; nothing heavy is imported, since answers are scored without a model."""

from collections.abc import Mapping

from omegaconf import DictConfig

from vlm.benchmark.base import Benchmark
from vlm.benchmark.evaluate import Protocol
from vlm.config_evaluation import Evaluation
from vlm.instantiate import make


def build_benchmark(node: DictConfig) -> Benchmark:
    """Return one benchmark."""
    benchmark: Benchmark = make(node)
    return benchmark


def build_benchmarks(config: DictConfig) -> Mapping[str, Benchmark]:
    """Return the sentence's benchmarks by name."""
    return {str(name): build_benchmark(node) for name, node in config.evaluation.benchmarks.items()}


def build_protocol(config: DictConfig) -> Protocol:
    """Return how the sentence asks them."""
    settings: Evaluation = config.evaluation
    return Protocol(
        settings.batch_size, list(settings.controls), settings.questions, settings.resamples, config.seed
    )
