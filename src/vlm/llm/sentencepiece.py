"""Words of LLMs whose tokenizer is published as sentencepiece's file alone, as Vicuna's is."""

from pathlib import Path

from sentencepiece import SentencePieceProcessor
from tokenizers.models import BPE
from transformers import PreTrainedTokenizerBase
from transformers.tokenization_utils_base import generate_merges


def follow_scores(tokenizer: PreTrainedTokenizerBase) -> None:
    """Let pieces be joined in the order of sentencepiece's scores, if its file is all that was read.

    transformers 5 takes the order of ids. The two differ where a text has several spaces in a row, whose
    pieces have low ids and the lowest scores.
    """
    file = getattr(tokenizer, "vocab_file", None)
    read_otherwise = tokenizer.init_kwargs.get("tokenizer_file")
    if not file or Path(file).suffix != ".model" or read_otherwise:
        return
    backend = tokenizer.backend_tokenizer.model
    if not isinstance(backend, BPE):
        return
    pieces = SentencePieceProcessor(model_file=file)
    vocabulary = {pieces.id_to_piece(number): number for number in range(pieces.get_piece_size())}
    scores = {piece: pieces.get_score(number) for piece, number in vocabulary.items()}
    tokenizer.backend_tokenizer.model = BPE(
        vocabulary, generate_merges(vocabulary, scores), fuse_unk=True, byte_fallback=backend.byte_fallback
    )
