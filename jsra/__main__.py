"""`python -m jsra`: the command line."""

import sys

from jsra.cli import main

sys.exit(main())
