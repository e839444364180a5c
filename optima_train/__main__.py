"""``python -m optima_train`` is ``optima``."""

import sys

from .cli import main

sys.exit(main())
