"""The bench's networks compute what PyTorch does. Runs where PyTorch is installed."""

import pytest

from bench import check
from bench.peers import graphc as ours
from bench.workloads import WORKLOADS

pytest.importorskip("torch")
NETWORKS = [name for name, workload in WORKLOADS.items() if workload.reference == "torch"]


@pytest.mark.parametrize("name", NETWORKS)
def test_graphc_computes_what_pytorch_does(name):
    workload = WORKLOADS[name]
    inputs = workload.make(small=True)
    step = ours.build(workload.kind, inputs)
    found = step.results(step.call())
    assert check.compare(workload, inputs, check.reference(workload, inputs), found, "graphc") < 1
    assert ours.kernels(workload.kind, inputs) >= 1
