"""Attention: block by block, whatever the shapes; memory that does not grow with the scores."""

import numpy as np
import pytest

import graphc
from graphc import nn
from graphc.testing import check_grads

RNG = np.random.default_rng(5)


def plain(q, k, v, mask=None, causal=False):
    scores = q @ k.swapaxes(-1, -2) / np.sqrt(q.shape[-1])
    if 0 in scores.shape:
        return np.zeros((*scores.shape[:-1], v.shape[-1]))
    scores = scores if mask is None else scores + mask
    if causal:
        scores = np.where(np.tri(*scores.shape[-2:], dtype=bool), scores, -np.inf)
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True) @ v


def arrays(*shapes, dtype=np.float64):
    return [RNG.standard_normal(shape).astype(dtype) for shape in shapes]


# Blocks of queries, of keys and of both: whole ones, one more, one less.
@pytest.mark.parametrize("queries", [1, 55, 56, 57, 113])
@pytest.mark.parametrize("keys", [1, 255, 256, 257, 600])
def test_sizes_of_blocks(queries, keys):
    q, k, v = arrays((2, queries, 5), (2, keys, 5), (2, keys, 3))
    attend = graphc.compile(lambda q, k, v: nn.attention(q, k, v))
    np.testing.assert_allclose(attend(q, k, v), plain(q, k, v), rtol=1e-12, atol=1e-13)
    causal = graphc.compile(lambda q, k, v: nn.attention(q, k, v, is_causal=True))
    np.testing.assert_allclose(causal(q, k, v), plain(q, k, v, causal=True), rtol=1e-12, atol=1e-13)

    @graphc.compile
    def gradients(q, k, v, g):
        _, pull = graphc.vjp(lambda *x: nn.attention(*x, is_causal=True), q, k, v)
        return pull(g)

    g = RNG.standard_normal((2, queries, 3))
    found = gradients(q, k, v, g)
    twice = graphc.vjp(lambda *x: plain(*x, causal=True), q, k, v)[1](g)
    for one, other in zip(found, twice, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-12)


def test_no_memory_of_the_scores():
    def bytes_of(length):
        q = np.zeros((2, 2, length, 32), np.float32)
        step = graphc.compile(
            graphc.grad(lambda q: np.sum(nn.attention(q, q, q, is_causal=True) ** 2))
        )
        return step.explain(q).arena_bytes

    # Of the scores alone: 64, 256 and 1024 MiB.
    assert bytes_of(2048) < 16 << 20
    assert bytes_of(4096) < 32 << 20
    assert bytes_of(8192) < 64 << 20


def test_heads_are_read_where_they_lie():
    """The transposed heads of a joint projection are not copied."""

    @graphc.compile
    def attend(x):
        q, k, v = x.reshape(2, 70, 3, 4, 8).transpose(2, 0, 3, 1, 4)
        return nn.attention(q, k, v)

    (x,) = arrays((2, 70, 96))
    q, k, v = x.reshape(2, 70, 3, 4, 8).transpose(2, 0, 3, 1, 4)
    np.testing.assert_allclose(attend(x), plain(q, k, v), rtol=1e-12, atol=1e-13)
    names = [kernel.name for kernel in attend.explain(x).kernels]
    assert names == ["attention_0"]


def test_a_query_without_keys_gives_zeros_and_no_derivative():
    q, k, v = arrays((3, 4), (5, 4), (5, 2))
    mask = np.array([[True] * 5, [False] * 5, [True, False, True, False, False]])

    @graphc.compile
    def both(q, k, v):
        return graphc.value_and_grad(
            lambda *x: np.sum(nn.attention(*x, mask) ** 2), argnums=(0, 1, 2)
        )(q, k, v)

    np.testing.assert_array_equal(graphc.compile(nn.attention)(q, k, v, mask)[1], 0)
    _, grads = both(q, k, v)
    assert all(np.isfinite(grad).all() for grad in grads)
    np.testing.assert_array_equal(grads[0][1], 0)


@pytest.mark.parametrize("causal", [False, True])
def test_nan_and_infinite_inputs(causal):
    q, k, v = arrays((4, 3), (4, 3), (4, 2))
    q[1, 0] = np.nan
    found = graphc.compile(lambda q, k, v: nn.attention(q, k, v, is_causal=causal))(q, k, v)
    assert np.isnan(found[1]).all()
    np.testing.assert_allclose(
        found[[0, 2, 3]], plain(q, k, v, causal=causal)[[0, 2, 3]], rtol=1e-12
    )
    v[2] = np.inf
    found = nn.attention(*arrays((4, 3), (4, 3)), v)
    assert np.isposinf(found).all()


def test_empty():
    q, k, v = np.ones((0, 3)), np.ones((4, 3)), np.ones((4, 2))
    assert nn.attention(q, k, v).shape == (0, 2)
    np.testing.assert_array_equal(nn.attention(k, q, np.ones((0, 2))), np.zeros((4, 2)))
    nothing = np.ones((0, 4, 3))
    assert nn.attention(nothing, nothing, nothing).shape == (0, 4, 3)
    gradient = graphc.grad(lambda x: np.sum(nn.attention(x, x, x)))
    assert graphc.compile(gradient)(nothing).shape == (0, 4, 3)
    assert graphc.vmap(gradient)(nothing).shape == (0, 4, 3)
    assert graphc.compile(gradient)(np.ones((2, 0, 3))).shape == (2, 0, 3)


def test_leading_axes_and_masks_broadcast():
    q, k, v = arrays((2, 3, 4, 5), (3, 6, 5), (6, 7))
    (mask,) = arrays((2, 1, 1, 6))
    wide_k, wide_v = np.broadcast_to(k, (2, 3, 6, 5)), np.broadcast_to(v, (2, 3, 6, 7))
    found = graphc.compile(nn.attention)(q, k, v, mask)
    np.testing.assert_allclose(found, plain(q, wide_k, wide_v, mask), rtol=1e-12, atol=1e-14)
    check_grads(nn.attention, (q, k, v, mask), order=2)


def test_a_length_not_known_before_the_call():
    attend = graphc.compile(lambda x: nn.attention(x, x, x, is_causal=True))
    for length in (5, 60, 300, 57, 1, 0):
        (x,) = arrays((2, length, 4))
        np.testing.assert_allclose(attend(x), plain(x, x, x, causal=True), rtol=1e-12, atol=1e-13)
    assert len(attend.specializations) <= 4


def test_the_same_bits_on_any_number_of_threads():
    (x,) = arrays((3, 2, 200, 16), dtype=np.float32)

    def loss(x):
        return np.sum(nn.attention(x, x, x, is_causal=True) ** 2)

    one, two = (graphc.compile(graphc.grad(loss), threads=n)(x) for n in (1, 2))
    np.testing.assert_array_equal(one, two)


def test_shapes_that_follow_others():
    """Sizes that are symbolic by then meet known ones: they become static, and agree."""
    for n in (5, 6):
        nn.attention(*arrays((2, n, 4), (2, n, 4), (2, n, 4)))
    (x,) = arrays((2, 7, 4))
    np.testing.assert_allclose(nn.attention(x, x, x, np.ones((7, 7), bool)), plain(x, x, x))

    @graphc.compile
    def attend(x, memory=None):
        keys = x if memory is None else memory
        return nn.attention(x, keys, keys)

    for shapes in ([(3, 5, 4)], [(4, 6, 4)], [(5, 7, 4), (5, 9, 4)], [(5, 9, 4), (5, 9, 4)]):
        given = arrays(*shapes)
        wanted = plain(given[0], given[-1], given[-1])
        np.testing.assert_allclose(attend(*given), wanted, rtol=1e-12, atol=1e-13)
    heads = nn.MultiHeadAttention(4, 2, batch_first=True, dtype=np.float64)
    for n in (5, 6, 7):
        (x,) = arrays((2, n, 4))
        free = heads(x, x, x, need_weights=False)[0]
        masked = heads(x, x, x, attn_mask=np.zeros((n, n), bool), need_weights=False)[0]
        np.testing.assert_allclose(masked, free, rtol=1e-12, atol=1e-13)


def test_causal_weights_want_a_mask_whatever_is_padded():
    heads = nn.MultiHeadAttention(4, 2, batch_first=True)
    x = np.ones((2, 3, 4), np.float32)
    padding = np.array([[False, False, True]] * 2)
    with pytest.raises(graphc.DomainError, match="is_causal needs an attn_mask"):
        heads(x, x, x, key_padding_mask=padding, is_causal=True)
    out, _ = heads(x, x, x, key_padding_mask=padding, is_causal=True, need_weights=False)
    assert out.shape == x.shape


@pytest.mark.parametrize("mask", [np.array(0.5), np.arange(5.0), np.arange(5) > 1])
def test_masks_of_few_axes(mask):
    q, k, v = arrays((2, 3, 4), (2, 5, 4), (2, 5, 2))
    added = np.where(mask, 0, -np.inf) if mask.dtype == bool else mask
    np.testing.assert_allclose(nn.attention(q, k, v, mask), plain(q, k, v, added), rtol=1e-12)


def test_no_keys_and_no_examples():
    q, k = np.ones((2, 3, 4)), np.ones((2, 0, 4))
    for attend in (nn.attention, graphc.compile(lambda *x: nn.attention(*x))):
        np.testing.assert_array_equal(attend(q, k, k), np.zeros((2, 3, 4)))
    by_q, by_k = graphc.grad(lambda q, k: nn.attention(q, k, k).sum(), (0, 1))(q, k)
    np.testing.assert_array_equal(by_q, 0 * q)
    assert by_k.shape == k.shape
    q, k, mask = np.ones((0, 3, 4)), np.ones((0, 5, 4)), np.zeros((3, 5))
    by_q, by_mask = graphc.grad(lambda q, m: nn.attention(q, k, k, m).sum(), (0, 1))(q, mask)
    assert by_q.shape == (0, 3, 4)
    np.testing.assert_array_equal(by_mask, np.zeros((3, 5)))
