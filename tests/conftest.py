"""Compiled code of the tests is kept in a folder of their own, not among the user's."""

import os
from pathlib import Path

os.environ.setdefault("GRAPHC_CACHE_DIR", str(Path(__file__).parents[1] / "build" / "cache"))
