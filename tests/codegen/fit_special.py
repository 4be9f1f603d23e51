"""Derives the coefficients of the special functions; see `fit_vecmath.py`. Run by hand."""

import sys
from multiprocessing import Pool

import numpy as np

from tests.codegen.fit_vecmath import ONE, fit, mp

HALF = mp.mpf(1) / 2
x0 = mp.findroot(mp.digamma, 1.4616)


def inv(t):
    return 1 / mp.sqrt(t)


def erfinv_of(w):
    x = mp.sqrt(-mp.expm1(-w))
    y = (
        mp.erfinv(x)
        if w < 30
        else mp.findroot(lambda y: mp.log(mp.erfc(y) * (1 + x)) + w, mp.sqrt(w) - 1)
    )
    return y / x


def stirling(t):
    z = inv(t)
    return (mp.loggamma(z) - (z - HALF) * mp.log(z) + z - mp.log(2 * mp.pi) / 2) * z


def lg(v):
    x = v + mp.mpf("1.75")
    if abs(x - 1) < 1e-25 or abs(x - 2) < 1e-25:
        x += mp.mpf("1e-25")
    return mp.loggamma(x) / ((x - 1) * (x - 2))


def dig_tail(t):
    z = inv(t)
    return (mp.log(z) - HALF / z - mp.digamma(z)) * z * z


def dig_near(d):
    return mp.digamma(x0 + d) / d if abs(d) > 1e-25 else mp.polygamma(1, x0)


def trig_tail(t):
    z = inv(t)
    return (mp.polygamma(1, z) - 1 / z - HALF / z**2) * z**3


def cot(t):
    r = mp.sqrt(t)
    return (1 / r - mp.pi * mp.cot(mp.pi * r)) / r


def sinpi(t):
    r = mp.sqrt(t)
    return (mp.sin(mp.pi * r) / (mp.pi * r) - 1) / t


def one(x):
    return ONE


q = mp.mpf(1) / 4
C = {
    "STIRLING": (stirling, lambda t: mp.sqrt(t), 0, mp.mpf("0.16"), 13),
    "LOG_GAMMA": (lg, one, mp.mpf("-0.75"), mp.mpf("0.75"), 25),
    "GAMMA": (lambda v: mp.gamma(v + mp.mpf("2.5")), one, -HALF, HALF, 17),
    "SINE": (sinpi, lambda t: t, 0, q, 7),
    "DIGAMMA_TAIL": (dig_tail, lambda t: t, 0, q, 15),
    "DIGAMMA_NEAR": (dig_near, one, mp.mpf("-0.4617"), mp.mpf("0.5385"), 21),
    "COTANGENT": (cot, lambda t: t, 0, q, 13),
    "TRIGAMMA_TAIL": (trig_tail, lambda t: t, 0, q, 16),
    "TRIGAMMA_NEAR": (lambda v: mp.polygamma(1, v + mp.mpf("1.5")), one, -HALF, HALF, 22),
    "ERFINV_NEAR": (
        lambda v: erfinv_of(v + mp.mpf("3.125")),
        lambda v: 1 / erfinv_of(v + mp.mpf("3.125")),
        mp.mpf("-3.125"),
        mp.mpf("3.125"),
        24,
    ),
    "ERFINV_MIDDLE": (
        lambda v: erfinv_of((v + mp.mpf("3.25")) ** 2),
        lambda v: 1 / erfinv_of((v + mp.mpf("3.25")) ** 2),
        mp.mpf("-0.75"),
        mp.mpf("0.75"),
        20,
    ),
    "ERFINV_FAR": (
        lambda v: erfinv_of((v + 5) ** 2),
        lambda v: 1 / erfinv_of((v + 5) ** 2),
        -1,
        mp.mpf("1.01"),
        19,
    ),
}


def run(name):
    from tests.codegen import fit_vecmath

    orig = fit_vecmath.nodes
    fit_vecmath.nodes = lambda low, high, n: orig(low, high, min(n, 300))
    mp.mp.dps = 45
    c, e = fit(*C[name], np.float64)
    return name, [float(x) for x in c], float(mp.log(e, 2))


if __name__ == "__main__":
    names = sys.argv[1:] or list(C)
    with Pool(2) as p:
        for n, c, e in p.imap_unordered(run, names):
            print(n, "=", tuple(c), "#", e, flush=True)
