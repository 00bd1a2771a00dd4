"""The bytes that a token stands for, which need not be whole characters."""

import re

from transformers import PreTrainedTokenizerBase
from transformers.convert_slow_tokenizer import bytes_to_unicode

from vlm.serving.writing import BROKEN

_BYTE_OF = {letter: byte for byte, letter in bytes_to_unicode().items()}
"""How byte-level vocabularies write bytes (GPT-2's, and those after it)."""
_BYTE_PIECE = re.compile(r"<0x([0-9A-F]{2})>")
"""How sentencepiece writes a byte of a character that it has no piece for."""


class Spelling(dict[int, bytes]):
    """The bytes of each token, found when they are first asked for; a row that no token has spells nothing.

    Args:
        tokenizer: Of the LLM.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        super().__init__()
        self.tokenizer = tokenizer

    def __missing__(self, token: int) -> bytes:
        self[token] = self._bytes(token)
        return self[token]

    def _bytes(self, token: int) -> bytes:
        once = self._text([token])
        piece = self.tokenizer.convert_ids_to_tokens(token)
        if BROKEN in once and (byte := _BYTE_PIECE.fullmatch(piece)):
            return bytes([int(byte[1], 16)])
        if BROKEN in once and all(letter in _BYTE_OF for letter in piece):
            return bytes(_BYTE_OF[letter] for letter in piece)
        # Said twice, because some tokenizers leave out the space before a text's first word.
        return self._text([token, token])[len(once) :].encode()

    def _text(self, ids: list[int]) -> str:
        return str(self.tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False))
