"""The graph is whatever the program did: watch it line by line, then compile the same lines.

Two networks. The first, 3-5-2, prints its hidden and output values before and after ReLU, from
inside the function, with plain ``print``. The second, 2-3-1, computes a mean squared error, its
gradients, and one step of gradient descent. Both run first under ``graphc.eager()``, where nothing
is compiled and every intermediate value can be looked at, and then compiled, to the same numbers.

Run it: ``python examples/define_by_run.py``
"""

import argparse
import itertools

import numpy as np

import graphc


def relu(x):
    return np.maximum(x, 0)


def layers(rng, *sizes):
    """Weights and biases, a pair a layer, uniform within ±1/√inputs."""
    params = {}
    for k, (inputs, outputs) in enumerate(itertools.pairwise(sizes), start=1):
        bound = 1 / np.sqrt(inputs)
        params[f"W{k}"] = rng.uniform(-bound, bound, (inputs, outputs))
        params[f"b{k}"] = rng.uniform(-bound, bound, outputs)
    return params


@graphc.compile
def two_layers(params, x, show):
    """Hidden and output values, each before and after ReLU."""
    hidden = x @ params["W1"] + params["b1"]
    output = relu(hidden) @ params["W2"] + params["b2"]
    stages = {
        "hidden, before ReLU": hidden,
        "hidden, after ReLU": relu(hidden),
        "output, before ReLU": output,
        "output, after ReLU": relu(output),
    }
    if show:
        for name, value in stages.items():
            print(f"  {name:<21} {value}")
    return stages


def mean_squared_error(params, x, y):
    hidden = relu(x @ params["W1"] + params["b1"])
    error = hidden @ params["W2"] + params["b2"] - y
    return np.mean(error**2)


@graphc.compile
def descend(params, x, y, rate):
    """One step of gradient descent, written into `params`; returns the loss and the gradients."""
    value, grads = graphc.value_and_grad(mean_squared_error)(params, x, y)
    for name in params:
        params[name] -= rate * grads[name]
    return value, grads


def main():
    rng = np.random.default_rng(0)
    np.set_printoptions(precision=4, suppress=True)

    params, x = layers(rng, 3, 5, 2), np.array([0.5, -1.0, 2.0])
    print("3-5-2, line by line:")
    with graphc.eager():
        seen = two_layers(params, x, True)
    compiled = two_layers(params, x, False)
    apart = max(np.abs(seen[name] - compiled[name]).max() for name in seen)
    print(f"  compiled, the values differ by at most {apart:.1e}")

    params = layers(rng, 2, 3, 1)
    x = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    y = x.sum(axis=1, keepdims=True)
    with graphc.eager():
        by_line = {name: array.copy() for name, array in params.items()}
        descend(by_line, x, y, 0.1)
    start = {name: array.copy() for name, array in params.items()}
    before, grads = descend(params, x, y, 0.1)
    after = mean_squared_error(params, x, y)
    print("\n2-3-1, mean squared error, one step at rate 0.1:")
    for name, gradient in grads.items():
        print(f"  gradient by {name}       {np.array2string(gradient).replace(chr(10), '')}")
    print(f"  loss                 {before:.6f} -> {after:.6f}")
    step_apart = max(np.abs(by_line[name] - params[name]).max() for name in params)
    print(f"  line by line and compiled, the parameters differ by at most {step_apart:.1e}")
    return {
        "stages": compiled,
        "apart": max(apart, step_apart),
        "start": start,
        "params": params,
        "data": (x, y),
        "grads": grads,
        "before": before,
        "after": after,
    }


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    main()
