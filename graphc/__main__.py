"""``python -m graphc``: the command line."""

import sys

from graphc.cli.main import main

sys.exit(main())
