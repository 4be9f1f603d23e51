"""The ops of the Graph IR: one record an op, and a builder function beside each."""

from graphc.ops.pointwise import (
    add as add,
)
from graphc.ops.pointwise import (
    cast as cast,
)
from graphc.ops.pointwise import (
    cos as cos,
)
from graphc.ops.pointwise import (
    equal as equal,
)
from graphc.ops.pointwise import (
    exp as exp,
)
from graphc.ops.pointwise import (
    masked_multiply as masked_multiply,
)
from graphc.ops.pointwise import (
    multiply as multiply,
)
from graphc.ops.pointwise import (
    negative as negative,
)
from graphc.ops.pointwise import (
    select as select,
)
from graphc.ops.pointwise import (
    sin as sin,
)
from graphc.ops.registry import OPS as OPS
from graphc.ops.shape import (
    broadcast_to as broadcast_to,
)
from graphc.ops.shape import (
    concatenate as concatenate,
)
from graphc.ops.shape import (
    constant as constant,
)
from graphc.ops.shape import (
    embed as embed,
)
from graphc.ops.shape import (
    flip as flip,
)
from graphc.ops.shape import (
    full as full,
)
from graphc.ops.shape import (
    full_like as full_like,
)
from graphc.ops.shape import (
    iota as iota,
)
from graphc.ops.shape import (
    keep_axes as keep_axes,
)
from graphc.ops.shape import (
    reshape as reshape,
)
from graphc.ops.shape import (
    size_value as size_value,
)
from graphc.ops.shape import (
    slice_ as slice_,
)
from graphc.ops.shape import (
    sum_ as sum_,
)
from graphc.ops.shape import (
    transpose as transpose,
)
from graphc.ops.shape import (
    zeros as zeros,
)
