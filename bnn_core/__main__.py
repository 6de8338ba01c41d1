"""`python -m bnn_core`: the command `bnn`, where it is not on the path."""

import sys

from bnn_core.commands.cli import main

sys.exit(main())
