"""Damaged model files: each is loaded right or refused, soon and in little memory."""

import resource
import time
import warnings

import numpy as np
import pytest
from onnx import ModelProto, TensorProto
from onnx.reference import ReferenceEvaluator

import graphc
from graphc.errors import ExportError, GraphcError
from graphc.loading.onnx.model import load_onnx
from tests.onnx.building import data, mlp, node, port, proto, random, transformer

SECONDS = 5
MEGABYTES = 200
MODELS = {"mlp": (mlp(), (2, 4)), "transformer": (transformer(), (2, 3, 8))}


def flipped(source, rng):
    changed = bytearray(source)
    for _ in range(rng.integers(1, 4)):
        changed[rng.integers(len(changed))] ^= 1 << rng.integers(8)
    return bytes(changed)


def truncated(source, rng):
    return source[: rng.integers(len(source))]


def shifted(source, rng):
    """Bytes put in, or taken out: lengths of what is around them are wrong."""
    place, count = rng.integers(len(source) - 8), rng.integers(1, 6)
    if rng.random() < 0.5:
        return source[:place] + source[place + count :]
    return source[:place] + rng.integers(0, 256, count, np.uint8).tobytes() + source[place:]


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def same_as_the_reference(damaged, model, x):
    """Whether a model that loads computes what ONNX's own evaluator does, where both compute."""
    if len(model.inputs) != 1:
        return None
    try:
        with graphc.eager():
            found = model(x)
    except GraphcError:
        return None
    try:
        wanted = ReferenceEvaluator(ModelProto.FromString(damaged)).run(
            None, {model.inputs[0].name: x}
        )
    except Exception:
        return None
    found = found if isinstance(found, tuple) else (found,)
    return all(
        np.allclose(a, b, rtol=1e-3, atol=1e-4, equal_nan=True)
        for a, b in zip(found, wanted, strict=True)
    )


@pytest.mark.parametrize("damage", [truncated, flipped, shifted])
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.filterwarnings("ignore")
def test_damaged_files_are_loaded_right_or_refused(name, damage):
    source, shape = MODELS[name]
    rng = np.random.default_rng(0)
    x = random(*shape)
    refused = loaded = agreed = 0
    before = peak()
    for _ in range(200):
        damaged = damage(source, rng)
        start = time.perf_counter()
        try:
            model = load_onnx(damaged)
        except ExportError:
            model, refused = None, refused + 1
        else:
            loaded += 1
        assert time.perf_counter() - start < SECONDS
        assert peak() - before < MEGABYTES
        if model is not None:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                outcome = same_as_the_reference(damaged, model, x)
            assert outcome is not False
            agreed += outcome is True
    assert refused > 20
    if damage is flipped:
        assert loaded > 20
        assert agreed > 10


# --- claims that a file can't keep ----------------------------------------------------------------


def weighted(change):
    """A model whose weight `change` has altered."""
    nodes = [node("Add", ["x", "w"], "y")]
    made = proto(nodes, [port("x", [4])], [port("y", None)], {"w": random(4)})
    change(made.graph.initializer[0])
    return made.SerializeToString()


def huge(tensor):
    tensor.dims[:] = [2**20, 2**20]


def negative(tensor):
    tensor.dims[:] = [-4]


def vast(tensor):
    tensor.dims[:] = [0, 2**62, 2**62]
    tensor.raw_data = b""


def short(tensor):
    tensor.raw_data = tensor.raw_data[:-1]


def other_type(tensor):
    tensor.data_type = TensorProto.DOUBLE


def no_type(tensor):
    tensor.data_type = 999


def two_homes(tensor):
    tensor.float_data.extend([1.0] * 4)


@pytest.mark.parametrize(
    "change",
    [huge, negative, vast, short, other_type, no_type, two_homes],
    ids=lambda f: f.__name__,
)
def test_weights_of_another_size_than_the_file_has_are_refused(change):
    before = peak()
    with pytest.raises(ExportError):
        load_onnx(weighted(change))
    assert peak() - before < MEGABYTES


def test_a_message_says_what_is_missing():
    def longer(tensor):
        tensor.dims[:] = [5]

    with pytest.raises(ExportError, match=r"'w' is float32\[5\], but the file has 16 bytes|size"):
        load_onnx(weighted(longer))


def nested(depth):
    """`If` within `If`; the other branch of each is small."""
    inner = [node("Relu", "x", "y")]
    small = proto(inner, [], [port("y", [3])]).graph
    for level in range(depth):
        graph = proto(inner, [], [port("y", [3])]).graph
        graph.name = f"level{level}"
        inner = [node("If", ["c"], ["y"], then_branch=graph, else_branch=small)]
    return data(inner, [port("x", [3]), port("c", [], "bool")], [port("y", [3])])


def test_graphs_nested_too_deep_are_refused():
    x = random(3)
    with graphc.eager():
        np.testing.assert_array_equal(load_onnx(nested(20))(x, np.array(True)), np.maximum(x, 0))
    with pytest.raises(ExportError, match="nest more than 24 deep"):
        load_onnx(nested(27))


@pytest.mark.parametrize("source", [b"", b"\x08\x07", b"not a model", bytes(1000), b"\xff" * 64])
def test_what_is_no_model_is_refused(source, tmp_path):
    with pytest.raises(ExportError):
        load_onnx(source)
    (tmp_path / "x.onnx").write_bytes(source)
    with pytest.raises(ExportError):
        load_onnx(tmp_path / "x.onnx")


def test_a_cycle_is_refused():
    nodes = [node("Relu", "b", "a"), node("Relu", "a", "b"), node("Add", ["x", "b"], "y")]
    with pytest.raises(ExportError, match=r"sorted|not defined"):
        load_onnx(data(nodes, [port("x", [3])], [port("y", [3])]))
