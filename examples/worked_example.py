"""A network small enough to check by hand: one prediction, one gradient, one step.

Two inputs, two hidden units with ReLU, one output; loss ½(ŷ − t)². The article that this follows
rounds every number it writes down and so arrives at 1.618296 after the step. Without rounding the
answer is 1.6191548740856, in NumPy and here.

Run it: ``python examples/worked_example.py``
"""

import argparse

import numpy as np

import graphc


def predict(params, x):
    hidden = np.maximum(params["W1"] @ x + params["b1"], 0)
    return params["w2"] @ hidden + params["b2"]


def loss(params, x, target):
    return 0.5 * (predict(params, x) - target) ** 2


@graphc.compile
def descend(params, x, target, rate):
    """One step of gradient descent, written into `params`; returns the loss before it."""
    value, grads = graphc.value_and_grad(loss)(params, x, target)
    for name in params:
        params[name] -= rate * grads[name]
    return value


def main():
    params = {
        "W1": np.array([[0.2, 0.3], [0.4, 0.5]]),
        "b1": np.array([0.1, 0.2]),
        "w2": np.array([0.5, 0.6]),
        "b2": np.array(0.4),
    }
    x, target, rate = np.array([0.9, 1.0]), 2.0, 0.1

    before = predict(params, x)
    gradients = graphc.grad(loss)(params, x, target)
    first_loss = descend(params, x, target, rate)
    after = predict(params, x)

    print(f"prediction            {before:.6g}")
    print(f"loss                  {first_loss:.6g}")
    for name, gradient in gradients.items():
        print(
            f"gradient by {name:<9} {np.array2string(gradient, precision=6).replace(chr(10), '')}"
        )
    print(f"after one step        {after:.14g}   (rounded by hand: 1.618296)")
    return {"before": before, "loss": first_loss, "gradients": gradients, "after": after}


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    main()
