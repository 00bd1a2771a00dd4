"""A judge that is reached over the network, or serves on this machine."""

import hashlib
from collections.abc import Sequence

from vlm.endpoint.client import Endpoint
from vlm.endpoint.request import Messages, Parameters, Request, hash_of
from vlm.judge.base import Judge, Record


class ChatJudge(Judge):
    """A model behind an OpenAI-compatible endpoint.

    Args:
        base_url: The endpoint's.
        model: As the endpoint names it.
        temperature: Of the sampling; None leaves it to the endpoint, as some models demand.
        max_tokens: A reply is cut there; None leaves it to the endpoint.
        both_orders: Whether comparisons are made in both orders.
        api_key_variable: The environment variable that holds the key; None if the endpoint wants none.
        timeout_s: For one try.
        max_retries: Tries after the first.
        concurrency: Prompts under way at once.
        cache: Folder of replies.
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        temperature: float | int | None,
        max_tokens: int | None,
        both_orders: bool,
        api_key_variable: str | None,
        timeout_s: float | int,
        max_retries: int,
        concurrency: int,
        cache: str,
    ) -> None:
        super().__init__(both_orders)
        self.parameters = Parameters(model, temperature, max_tokens, seed=None)
        self.endpoint = Endpoint(base_url, api_key_variable, timeout_s, max_retries, concurrency, cache)
        self._served: set[str] = set()
        self._prompts = hashlib.sha256()
        self._asked = self._from_cache = self._failed = 0

    def ask(self, prompts: Sequence[Messages]) -> list[str | None]:
        """Ask all that is not kept from earlier; a prompt that fails after all retries is None."""
        requests = [Request(str(number), prompt, self.parameters) for number, prompt in enumerate(prompts)]
        texts: list[str | None] = [None] * len(requests)
        errors = []
        for reply in self.endpoint.ask(requests):
            texts[int(reply.key)] = reply.text
            self._from_cache += reply.from_cache
            if reply.completion is None:
                errors.append(reply.error)
            elif reply.completion.served_model:
                self._served.add(reply.completion.served_model)
        if requests and len(errors) == len(requests):
            raise ValueError(
                f"the judge {self.parameters.model} at {self.endpoint.base_url} answered none of "
                f"{len(requests)} prompts; the last error: {errors[-1]}"
            )
        for prompt in prompts:
            self._prompts.update(hash_of([dict(message) for message in prompt]).encode())
        self._asked += len(requests)
        self._failed += len(errors)
        return texts

    @property
    def record(self) -> Record:
        """What has been asked of it so far."""
        return Record(
            self.parameters.model,
            tuple(sorted(self._served)),
            self._prompts.hexdigest(),
            self._asked,
            self._from_cache,
            self._failed,
        )
