"""Where each buffer lies, and in which order the steps run that use them."""

from graphc.memory.plan import MemoryPlan as MemoryPlan
from graphc.memory.plan import Place as Place
from graphc.memory.plan import plan_memory as plan_memory
from graphc.memory.schedule import schedule as schedule
