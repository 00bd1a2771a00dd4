"""Any causal language model of transformers: Llama, Vicuna, Qwen, Mistral, ..."""

from typing import Any

import torch
from jaxtyping import Float, Int
from safetensors import SafetensorError
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerBase

from vlm.data.template import Template
from vlm.llm.attention import NAME as VARLEN
from vlm.llm.base import LLM
from vlm.paths import checkpoint_path
from vlm.shapes import Boundaries, PaddedMask, PaddedSequence, Sequence, TokenIds


class CausalLM(LLM):
    """A causal LM that reads packed documents through varlen attention.

    Args:
        checkpoint: A folder in transformers' format, packaged or local, or a hub's name of one.
        weights: `pretrained`, or `random`.
        template: How it was taught to converse.
        context_length: In tokens.
        licence: Of the weights.

    Raises:
        ValueError: The checkpoint is nowhere to be found.
    """

    def __init__(
        self, checkpoint: str, weights: str, template: Template, context_length: int, licence: str
    ) -> None:
        super().__init__(template, context_length, licence)
        if weights not in ("pretrained", "random"):
            raise ValueError(f"llm.weights must be pretrained or random, got {weights}")
        self._checkpoint, self._weights = str(checkpoint_path(checkpoint) or checkpoint), weights
        self._config = self._from_hub(AutoConfig)
        self.tokenizer: PreTrainedTokenizerBase = self._from_hub(AutoTokenizer)

    def _from_hub(self, kind: Any, **options: Any) -> Any:
        try:
            return kind.from_pretrained(self._checkpoint, **options)
        except OSError as error:
            raise ValueError(
                f"llm.checkpoint={self._checkpoint} is no readable folder, nor a name on the hub "
                f"({str(error).splitlines()[0]}); "
                "put config.json, the tokenizer and model.safetensors into a folder and give its path"
            ) from error
        except (RuntimeError, SafetensorError) as error:
            raise ValueError(
                f"llm.checkpoint={self._checkpoint} is damaged or does not fit its config.json "
                f"({error}); copy it again"
            ) from error

    @property
    def text_dim(self) -> int:
        """The configuration's hidden size."""
        return int(self._config.hidden_size)

    def configure_model(self) -> None:
        """Build the network and load its weights; a second call does nothing.

        Raises:
            ValueError: The weights are damaged, lack some, or do not fit.
        """
        if hasattr(self, "network"):
            return
        if self._weights == "pretrained":
            self.network, report = self._from_hub(
                AutoModelForCausalLM, dtype=torch.float32, output_loading_info=True
            )
            if report["missing_keys"]:  # transformers would train on from random numbers
                raise ValueError(
                    f"llm.checkpoint={self._checkpoint} lacks {min(report['missing_keys'])}; copy it again"
                )
        else:
            self.network = AutoModelForCausalLM.from_config(self._config, dtype=torch.float32)

    def embed(self, ids: TokenIds) -> Sequence:
        """Look up words."""
        return self.network.get_input_embeddings()(ids)

    def forward(self, sequence: Sequence, position_ids: TokenIds, boundaries: Boundaries) -> Sequence:
        """Return the last hidden states of packed documents that cannot see each other."""
        self._attend_with(VARLEN)
        outputs = self.network.base_model(
            inputs_embeds=sequence.unsqueeze(0),
            position_ids=position_ids.unsqueeze(0),
            boundaries=boundaries,
            use_cache=False,
        )
        hidden: Sequence = outputs.last_hidden_state.squeeze(0)
        return hidden

    @property
    def head(self) -> Float[Tensor, "vocabulary text_dim"]:
        """The output embedding."""
        weight: Tensor = self.network.get_output_embeddings().weight
        return weight

    @torch.no_grad()
    def generate(
        self, sequence: PaddedSequence, mask: PaddedMask, max_new_tokens: int
    ) -> Int[Tensor, "batch new_token"]:
        """Continue left-padded sequences greedily, with a KV cache; return the new ids only."""
        self._attend_with("sdpa")
        ids: Int[Tensor, "batch new_token"] = self.network.generate(
            inputs_embeds=sequence,
            attention_mask=mask,
            max_new_tokens=max_new_tokens,
            do_sample=False,
            eos_token_id=self.tokenizer.eos_token_id,
            pad_token_id=self.tokenizer.pad_token_id,
        )
        return ids

    def _attend_with(self, implementation: str) -> None:
        if self.network.config._attn_implementation != implementation:
            self.network.set_attn_implementation(implementation)
