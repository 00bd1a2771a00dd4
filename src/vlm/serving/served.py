"""A model that is served, under the name that requests call it by."""

from dataclasses import replace

from vlm.llm.decoding import Decoding
from vlm.model.generate import Answerer
from vlm.serving.engine import Engine
from vlm.serving.schema import ChatRequest
from vlm.serving.settings import Settings
from vlm.serving.spelling import Spelling


class Served:
    """A model and its engine.

    Args:
        name: That requests call it by.
        answerer: The model; its decoding is that of requests that say nothing else.
        settings: Of the server.

    Raises:
        ValueError: Answers are to be pursued in beams.
    """

    def __init__(self, name: str, answerer: Answerer, settings: Settings) -> None:
        self.name, self.answerer, self.settings = name, answerer, settings
        self.decoding = with_end(answerer)
        self.spelling = Spelling(answerer.model.llm.tokenizer)
        self.engine = Engine(answerer, settings.at_once, settings.queue, settings.cache_tokens)

    def decoding_of(self, request: ChatRequest) -> Decoding:
        """Return how the words of an answer are chosen: as the request says, and else as the sentence."""
        own = self.decoding
        temperature = own.temperature if request.temperature is None else request.temperature
        top_p = own.top_p if request.top_p is None else request.top_p
        top_k = own.top_k if request.top_k is None else request.top_k
        return replace(
            own,
            max_new_tokens=request.most_tokens or self.settings.max_new_tokens,
            temperature=temperature,
            # At temperature 0 nothing is drawn, and clients send top_p all the same.
            top_p=top_p if temperature and top_p != 1 else None,
            top_k=top_k if temperature else None,
            stop=(*own.stop, *request.stops),
        )


def with_end(answerer: Answerer) -> Decoding:
    """Return an answerer's decoding, ended by what closes an answer where no token does.

    Raises:
        ValueError: Answers are to be pursued in beams, which cannot be told word by word.
    """
    decoding, tokenizer = answerer.decoding, answerer.model.llm.tokenizer
    if decoding.num_beams > 1:
        raise ValueError(
            f"evaluation.decoding.num_beams={decoding.num_beams} pursues several answers at once, and what "
            "is said word by word is one; set it to 1"
        )
    end = answerer.template.answer_end.strip()
    token = tokenizer.get_vocab().get(end)
    is_hidden = token is not None and not tokenizer.decode([token], skip_special_tokens=True).strip()
    return decoding if not end or is_hidden else replace(decoding, stop=(*decoding.stop, end))
