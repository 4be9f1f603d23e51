"""What forms of a compiled function and transformed functions show of themselves."""

import numpy as np
import pytest

import graphc

FACTOR = 3


def loss(w):
    """The loss."""
    return (w**2).sum()


def scaled(x, n, mode):
    return x * n * FACTOR if mode == "up" else x / n


def test_a_form_shows_types_and_static_values():
    f = graphc.compile(scaled)
    f(np.ones(3), 2, "up")
    f(np.ones(3), 2, "down")
    f(np.ones((2, 2)).T, 2.5, "down")
    f(np.ones((2, 2), np.float32), np.float32(1), "down")
    assert [repr(form) for form in reversed(f.specializations)] == [
        "Specialization(x: float64[3]; n=2, mode='up', FACTOR=3)",
        "Specialization(x: float64[3]; n=2, mode='down')",
        "Specialization(x: float64[2, 2] Fortran-contiguous, n: float; mode='down')",
        "Specialization(x: float32[2, 2], n: np.float32; mode='down')",
    ]


def test_a_form_shows_symbolic_sizes():
    f = graphc.compile(lambda x, n: x * n)
    f(np.ones(3), 7)
    f(np.ones(4), 8)
    assert repr(f.specializations[0]) == "Specialization(x: float64[n0]; n=n1)"


def test_a_form_of_many_static_values_counts_the_others():
    f = graphc.compile(lambda options, x: x * sum(options))
    f([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], np.ones(3))
    assert "; len(options)=10, options.0=1, " in repr(f.specializations[0])
    assert repr(f.specializations[0]).endswith("options.6=7, and 3 more)")


@pytest.mark.parametrize(
    "name", ["grad", "value_and_grad", "jacobian", "hessian", "vmap", "checkpoint", "custom_vjp"]
)
def test_a_transformed_function_says_of_what(name):
    found = getattr(graphc, name)(loss)
    assert repr(found) == f"<graphc.{name}(loss)>"
    assert found.__name__ == found.__qualname__ == f"{name}(loss)"
    assert found.__doc__.startswith(f"`graphc.{name}` of `loss`")
    assert found.__doc__.endswith("The loss.")
    assert repr(graphc.vmap(found)) == f"<graphc.vmap({name}(loss))>"


def test_an_operation_is_called_as_its_builder():
    assert repr(graphc.operation(loss)) == "<graphc.operation loss>"
    assert graphc.operation(loss).__doc__ == "The loss."


class Odd(graphc.nn.Module):
    def __init__(self):
        setattr(self, "1/odd.name", np.ones(2))

    def forward(self, x):
        return x * getattr(self, "1/odd.name")


def test_an_attribute_whose_name_is_no_identifier_is_shown_by_it():
    model = Odd()
    f = graphc.compile(lambda model, x: model(x))
    f(model, np.ones(2))
    shown = "Specialization(x: float64[2], model.1/odd.name: float64[2])"
    assert repr(f.specializations[0]) == shown
