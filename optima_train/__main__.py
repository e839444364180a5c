"""``python -m optima_train`` is ``optima``."""

import sys

from .cli.main import main

sys.exit(main())
