"""Everything that a generated module may import, in one place."""

from graphc.codegen.helpers import *  # noqa: F403
from graphc.codegen.instructions import *  # noqa: F403
from graphc.codegen.native import *  # noqa: F403
