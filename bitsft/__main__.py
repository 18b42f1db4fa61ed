"""`python -m bitsft`, for where the `bitsft` command is not on the path."""

import sys

from bitsft.cli import main

sys.exit(main())
