"""What a request may say: OpenAI's chat completions, as far as a model of ours can do what they say."""

from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from vlm.serving.errors import RequestError

WITHOUT_EFFECT = frozenset(
    {"user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key", "verbosity"}
)
"""What says nothing about the answer."""
NEUTRAL: dict[str, list[Any]] = {
    "n": [1],
    "frequency_penalty": [0],
    "presence_penalty": [0],
    "logit_bias": [{}],
    "tools": [[]],
    "tool_choice": ["none", "auto"],
    "parallel_tool_calls": [True, False],
    "response_format": [{"type": "text"}],
    "modalities": [["text"]],
}
"""What asks for what is done anyway."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TextPart(_Strict):
    """Words of a message."""

    type: Literal["text"]
    text: str


class ImageUrl(_Strict):
    """Where a picture is; all are read in full detail."""

    url: str
    detail: Literal["auto", "low", "high"] = "auto"


class ImagePart(_Strict):
    """A picture of a message."""

    type: Literal["image_url"]
    image_url: ImageUrl


Part = Annotated[TextPart | ImagePart, Field(discriminator="type")]


class Message(_Strict):
    """What one side says."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[Part]
    name: str | None = None

    @property
    def parts(self) -> list[TextPart | ImagePart]:
        """Its content, in parts."""
        if isinstance(self.content, str):
            return [TextPart(type="text", text=self.content)]
        return list(self.content)


class StreamOptions(_Strict):
    """What else a stream says."""

    include_usage: bool = False
    include_obfuscation: bool = False


class Talk(BaseModel):
    """A conversation with a model."""

    model_config = ConfigDict(extra="allow", frozen=True)

    model: str
    messages: list[Message] = Field(min_length=1)


class ChatRequest(Talk):
    """A request for the next message of a conversation.

    `top_k` is ours; `seed` makes drawn words repeatable. `logprobs` are the model's own, before
    `temperature`, `top_p` and `top_k`.
    """

    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, gt=0, le=1)
    top_k: int | None = Field(None, ge=1)
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    stop: str | list[str] | None = None
    seed: int | None = Field(None, ge=-(2**63), lt=2**63)
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = Field(None, ge=0, le=20)

    @model_validator(mode="after")
    def _check(self) -> "ChatRequest":
        if any(not stop for stop in self.stops) or len(self.stops) > 4:
            raise ValueError("stop must be up to 4 texts, none of them empty")
        if self.stream_options and not self.stream:
            raise ValueError("stream_options goes with stream=true")
        if self.top_logprobs is not None and not self.logprobs:
            raise ValueError("top_logprobs goes with logprobs=true")
        return self

    @property
    def stops(self) -> tuple[str, ...]:
        """Texts that end the answer."""
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())

    @property
    def most_tokens(self) -> int | None:
        """Of the answer."""
        return self.max_completion_tokens if self.max_completion_tokens is not None else self.max_tokens

    @property
    def likeliest(self) -> int | None:
        """Tokens to tell beside each token of the answer; None wants no log-probabilities at all."""
        return (self.top_logprobs or 0) if self.logprobs else None


Kind = TypeVar("Kind", bound=Talk)


def parse(kind: type[Kind], body: bytes) -> Kind:
    """Return what a body says.

    Raises:
        RequestError: It is no JSON, lacks something, or asks for what is not done.
    """
    try:
        request = kind.model_validate_json(body)
    except ValidationError as error:
        raise _explain(error) from error
    for key, value in (request.model_extra or {}).items():
        if key not in WITHOUT_EFFECT and value is not None and value not in NEUTRAL.get(key, []):
            raise RequestError(400, f"{key} is not supported", key, "unsupported_parameter")
    return request


def _explain(error: ValidationError) -> RequestError:
    """Say the first thing that is wrong, without repeating the request."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    if first["type"] == "json_invalid":
        return RequestError(400, f"the body is no JSON: {first['msg']}", code="invalid_json")
    message = f"{place}: {first['msg']}" if place else str(first["msg"])
    return RequestError(400, message, place or None, "invalid_value")
