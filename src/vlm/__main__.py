"""`python -m vlm` is `vlm`."""

import sys

from vlm.cli import main

sys.exit(main())
