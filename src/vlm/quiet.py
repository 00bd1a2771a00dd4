"""Silence what libraries say to nobody: tips, banners, and warnings about what we do on purpose."""

import logging
import os
import warnings


def quiet_libraries() -> None:
    """Keep warnings that a user can act on; drop the rest."""
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # forked workers would warn of a deadlock
    for name in ("lightning.pytorch", "lightning.fabric", "alembic", "mlflow"):
        logging.getLogger(name).setLevel(logging.ERROR)
    # Frozen parts are in evaluation mode on purpose, and short stages log once at their end.
    for message in (".*eval mode at the start.*", ".*smaller than the logging interval.*", ".*LeafSpec.*"):
        warnings.filterwarnings("ignore", message=message)
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")

    from transformers.utils import logging as transformers_logging  # noqa: PLC0415 (after the environment)

    transformers_logging.disable_progress_bar()
