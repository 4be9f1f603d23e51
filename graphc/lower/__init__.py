"""Groups -> kernels: the Loop IR of each fused group and template, in the order they run."""

from graphc.lower.driver import Lowered as Lowered
from graphc.lower.driver import lower as lower
from graphc.lower.launch import Branch as Branch
from graphc.lower.launch import Launch as Launch
from graphc.lower.launch import Loop as Loop
