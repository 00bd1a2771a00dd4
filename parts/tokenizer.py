"""Train the tiny LLM's tokenizer: byte-level BPE in which every word of the shapes world is a token."""

from itertools import islice
from random import Random

from corpus import RESTATE_RATE, documents, written_scene
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from vlm.corpus.shapes.language import CAPTION_PROMPTS

# A word keeps the space before it and the hyphens within it; digits and marks stand alone.
WORD = r" ?[A-Za-z]+(?:-[A-Za-z]+)*| ?[0-9]|\n| ?[^\sA-Za-z0-9]|\s"
VOCABULARY_SIZE = 1024
SPECIAL = ("<pad>", "<s>", "</s>")


def train_tokenizer(seed: int) -> PreTrainedTokenizerFast:
    """Train on the text of the train split's scenes."""
    random = Random(seed)
    texts = [*CAPTION_PROMPTS]
    for scene, spans in islice(documents(random, RESTATE_RATE), 4000):
        texts.append("".join(span.text for span in spans).replace("</s>", "").replace("<image>", ""))
        texts.append("".join(f" {phrase}." for phrase in written_scene(scene, random)))
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORD), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY_SIZE, special_tokens=[*SPECIAL], initial_alphabet=sorted(alphabet)
    )
    tokenizer.train_from_iterator(texts, trainer)
    begin = "<s>"
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{begin} $A", special_tokens=[(begin, SPECIAL.index(begin))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", bos_token="<s>", eos_token="</s>"
    )
