"""Silence what libraries say to nobody: tips, banners, and warnings about what we do on purpose."""

import logging
import os
import warnings

IGNORED = (
    ".*eval mode at the start.*",  # frozen parts are, on purpose
    ".*does not have many workers.*",  # a tiny part's batches are made faster than handed over
    ".*your dataloader is not resumable.*",  # it seeks to the trainer's step
    ".*LeafSpec.*",
    ".*is_gradient_checkpointing.*",  # peft asks transformers by the old name
    ".*Our suggested max number of worker.*",  # as the trainer says
    ".*torch.distributed is disabled.*",  # one process saves alone
    ".*returned a view tensor.*",  # nothing is changed in place
)


def quiet_libraries() -> None:
    """Keep warnings that a user can act on; drop the rest."""
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # forked workers would warn of a deadlock
    for name in ("lightning.pytorch", "lightning.fabric", "alembic", "mlflow", "huggingface_hub"):
        logging.getLogger(name).setLevel(logging.ERROR)
    for message in IGNORED:
        warnings.filterwarnings("ignore", message=message)

    from transformers.utils import logging as transformers_logging  # noqa: PLC0415 (after the environment)

    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()  # its table of missing weights: we stop with one line
