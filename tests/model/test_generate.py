"""Answers do not depend on what else is asked."""

import torch

from tests.conftest import Compose
from vlm.build import build_answerer, build_benchmarks, build_model


def test_answers_are_the_same_alone_and_together(compose: Compose) -> None:
    config = compose()
    model = build_model(config)
    torch.manual_seed(0)
    model.configure_model()
    model.eval()
    answerer = build_answerer(config, model)
    questions = [
        (question.text, question.images) for question in build_benchmarks(config)["shapes"].questions()
    ]
    chosen = questions[::4]
    together = answerer(chosen, 4)
    assert together == [answerer([question], 4)[0] for question in chosen]
    assert len(set(together)) > 1
