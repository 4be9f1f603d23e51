"""graphc: a JIT-compiled graph compiler for plain NumPy functions.

>>> import numpy as np, graphc
>>> @graphc.compile
... def norm(x):
...     return np.sqrt((x * x).sum())
>>> norm(np.array([3.0, 4.0]))
np.float64(5.0)
>>> graphc.grad(norm)(np.array([3.0, 4.0]))
array([0.6, 0.8])
"""

from graphc import functions as functions
from graphc import random as random
from graphc import testing as testing
from graphc.api import compile as compile
from graphc.api import spec as spec
from graphc.control import cond as cond
from graphc.control import debug_print as debug_print
from graphc.control import fori_loop as fori_loop
from graphc.control import scan as scan
from graphc.control import while_loop as while_loop
from graphc.errors import (
    BackendError as BackendError,
)
from graphc.errors import (
    CacheError as CacheError,
)
from graphc.errors import (
    DivisionError as DivisionError,
)
from graphc.errors import (
    DomainError as DomainError,
)
from graphc.errors import (
    DTypeError as DTypeError,
)
from graphc.errors import (
    ExportError as ExportError,
)
from graphc.errors import (
    GraphcError as GraphcError,
)
from graphc.errors import (
    LinAlgError as LinAlgError,
)
from graphc.errors import (
    MemoryLimitError as MemoryLimitError,
)
from graphc.errors import (
    NonFiniteError as NonFiniteError,
)
from graphc.errors import (
    OutOfBoundsError as OutOfBoundsError,
)
from graphc.errors import (
    ShapeError as ShapeError,
)
from graphc.errors import (
    TraceError as TraceError,
)
from graphc.errors import (
    UnsupportedError as UnsupportedError,
)
from graphc.errors import (
    VerificationError as VerificationError,
)
from graphc.specialize import eager as eager
from graphc.transform import checkpoint as checkpoint
from graphc.transform import custom_vjp as custom_vjp
from graphc.transform import grad as grad
from graphc.transform import hessian as hessian
from graphc.transform import jacobian as jacobian
from graphc.transform import jvp as jvp
from graphc.transform import operation as operation
from graphc.transform import stop_gradient as stop_gradient
from graphc.transform import value_and_grad as value_and_grad
from graphc.transform import vjp as vjp
from graphc.transform import vmap as vmap

__version__ = "0.1.0"
