"""Values that are one of a few words."""

from enum import Enum


class Learning(Enum):
    """How a part takes part in a stage."""

    frozen = "frozen"
    full = "full"
    blocks = "blocks"  # the last of its transformer's, as many as `last_blocks` says
    adapter = "adapter"  # what the group `adapter` adds to it, and nothing else of it


class BatchingMode(Enum):
    """Which samples of a step share a row."""

    packed = "packed"  # best fit, whole documents, no padding
    padded = "padded"  # as they come, padded to the longest
    grouped = "grouped"  # as LLaVA: a step of one modality, a row of about one length, padded to the longest


class Schedule(Enum):
    """What the learning rate does after its warm-up."""

    cosine = "cosine"  # falls to zero along half a cosine
    constant = "constant"


class Parity(Enum):
    """Whose arithmetic a training follows, where it is not the same."""

    none = "none"  # the loss law: a step's sum over supervised tokens, divided by their number
    llava = "llava"  # its rows, the mean over rows of their means, and its own labels


class Spending(Enum):
    """What a budget is of."""

    samples = "samples"
    tokens = "tokens"  # that the LLM reads, visual ones among them
    visual_tokens = "visual_tokens"
    flops = "flops"  # of forward and backward passes, nothing twice
    gpu_hours = "gpu_hours"  # of one device


class Checkpointing(Enum):
    """What of a block's activations is kept for the backward pass."""

    none = "none"  # everything
    selective = "selective"  # what is dear to compute: matrix products and attention
    full = "full"  # what enters the block


class Kernels(Enum):
    """Whose kernels an LLM's norms, rotations and gated layers run on."""

    torch = "torch"
    liger = "liger"  # the package liger-kernel, on CUDA


class ImageMode(Enum):
    """How a picture becomes squares."""

    crop = "crop"  # shortest side to size, then the center
    pad = "pad"  # to a square in the mean color, then to size
    resize = "resize"  # to size, ratio lost
    anyres = "anyres"  # the whole resized, then tiles of a grid that suits its ratio


class Merge(Enum):
    """In which order the visual tokens of a picture's tiles are read."""

    flat = "flat"  # tile after tile
    spatial = "spatial"  # row after row of the whole grid
    unpad = "unpad"  # so, without what shows no picture, and with a learned vector at the end of each row


class Control(Enum):
    """What is scored beside a model that sees and thinks."""

    blind = "blind"  # the same model, without the pictures
    shuffled = "shuffled"  # the same model, each question with another's pictures
    majority = "majority"  # the most frequent right answer of each kind of question


class Quantization(Enum):
    """In how few bits the linear layers of the LLM that answers are kept."""

    none = "none"  # as `precision` says
    int8 = "int8"  # whole numbers of 8 bits, outliers apart
    nf4 = "nf4"  # 4-bit normal floats


class Precision(Enum):
    """How many bits a model answers in."""

    float32 = "float32"
    bfloat16 = "bfloat16"
    float16 = "float16"
