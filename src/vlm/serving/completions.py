"""Answers in OpenAI's shapes: a chat completion, whole or as a stream of chunks."""

import json
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from vlm.serving.errors import RequestError
from vlm.serving.logprobs import TokenLogprob
from vlm.serving.spelling import Spelling
from vlm.serving.ticket import Said

DONE = "data: [DONE]\n\n"


@dataclass
class Completion:
    """An answer under way.

    Args:
        model: That answers.
        spelling: Of its tokens.
        num_prompt_tokens: Pictures' among them.
        says_usage: Whether a stream ends with the numbers of tokens.
    """

    model: str
    spelling: Spelling
    num_prompt_tokens: int
    says_usage: bool = False
    name: str = field(default_factory=lambda: f"chatcmpl-{uuid.uuid4().hex}")
    created: int = field(default_factory=lambda: int(time.time()))
    num_tokens: int = 0

    def whole(self, text: str, last: Said) -> dict[str, Any]:
        """Return it as one object."""
        assert last.finish
        message = {"role": "assistant", "content": text, "refusal": None}
        choice = {
            "index": 0,
            "message": message,
            "logprobs": self._logprobs(last.logprobs),
            "finish_reason": last.finish.value,
        }
        return self._object("chat.completion") | {"choices": [choice], "usage": self._usage()}

    async def stream(self, pieces: AsyncIterator[Said]) -> AsyncIterator[str]:
        """Yield it as server-sent events; what goes wrong on the way is the last of them.

        Args:
            pieces: Of the answer; those that raise end it.
        """
        yield self._chunk({"role": "assistant", "content": ""}, None)
        try:
            async for said in pieces:
                self.num_tokens = said.num_tokens
                if said.text:
                    yield self._chunk({"content": said.text}, None, said.logprobs)
                if said.finish:
                    # Tokens that add nothing to the text may be the last ones.
                    left = None if said.text else said.logprobs
                    yield self._chunk({}, said.finish.value, left or None)
        except RequestError as error:
            yield _event(error.body())
            return
        if self.says_usage:
            yield _event(self._object("chat.completion.chunk") | {"choices": [], "usage": self._usage()})
        yield DONE

    def _chunk(
        self, delta: dict[str, str], finish: str | None, logprobs: Sequence[TokenLogprob] | None = None
    ) -> str:
        choice = {
            "index": 0,
            "delta": delta,
            "logprobs": self._logprobs(logprobs),
            "finish_reason": finish,
        }
        return _event(self._object("chat.completion.chunk") | {"choices": [choice]})

    def _logprobs(self, logprobs: Sequence[TokenLogprob] | None) -> dict[str, Any] | None:
        if logprobs is None:
            return None
        content = [
            self._entry(one.id, one.logprob) | {"top_logprobs": [self._entry(*other) for other in one.top]}
            for one in logprobs
        ]
        return {"content": content, "refusal": None}

    def _entry(self, token: int, logprob: float) -> dict[str, Any]:
        """Return a token in OpenAI's form; a byte of a part of a character is said in hexadecimal."""
        spelled = self.spelling[token]
        text = spelled.decode(errors="backslashreplace")
        return {"token": text, "logprob": logprob, "bytes": list(spelled)}

    def _object(self, kind: str) -> dict[str, Any]:
        return {"id": self.name, "object": kind, "created": self.created, "model": self.model}

    def _usage(self) -> dict[str, int]:
        total = self.num_prompt_tokens + self.num_tokens
        return {
            "prompt_tokens": self.num_prompt_tokens,
            "completion_tokens": self.num_tokens,
            "total_tokens": total,
        }


def _event(data: dict[str, Any]) -> str:
    return f"data: {json.dumps(data, ensure_ascii=False, separators=(',', ':'))}\n\n"
