"""``super()`` in methods of objects that a compiled function is given; ``import`` in its body."""

import numpy as np
import pytest

import graphc


class Base:
    factor = 3.0

    def __init__(self):
        self.w = np.ones(3)

    def made(self, x):
        made = np.zeros(3)
        made[1:] = x[1:] * self.w[1:] * self.factor
        return made

    def __call__(self, x):
        return x + self.factor

    @property
    def double(self):
        return self.w * 2

    @classmethod
    def scaled(cls, x):
        return x * cls.factor

    @staticmethod
    def less(x):
        return x - 1


class Derived(Base):
    def __init__(self):
        super().__init__()
        self.v = np.arange(3.0)

    def made(self, x):
        return super().made(x) + super().double + super().scaled(x)

    def __call__(self, x):
        return super().__call__(x) * super().less(x) + super().factor

    @classmethod
    def scaled(cls, x):
        return super().scaled(x) * 5


class Last(Derived):
    factor = 0.5

    def made(self, x):
        return super().made(x) * 2

    def __setattr__(self, name, value):
        super().__setattr__(name, value * 1.0)


def used(model, x):
    return model.made(x), model(x), model.scaled(x)


@pytest.mark.parametrize("kind", [Derived, Last])
def test_members_of_bases(kind):
    x = np.array([1.0, 2.0, 3.0])
    compiled = graphc.compile(used)
    for found, wanted in zip(compiled(kind(), x), used(kind(), x), strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_objects_that_are_made_while_tracing():
    def made(x):
        return Last().made(x) + Derived()(x)

    np.testing.assert_array_equal(graphc.compile(made)(np.ones(3)), made(np.ones(3)))


def test_assignment_through_the_base():
    def written(model, x):
        model.w = x

    model = Last()
    graphc.compile(written)(model, np.full(3, 7.0))
    np.testing.assert_array_equal(model.w, [7, 7, 7])


def test_a_base_that_is_given_another_method(monkeypatch):
    compiled = graphc.compile(lambda model, x: model(x))
    model, x = Derived(), np.ones(3)
    np.testing.assert_array_equal(compiled(model, x), model(x))
    monkeypatch.setattr(Base, "__call__", lambda self, x: x * 100)
    np.testing.assert_array_equal(compiled(model, x), model(x))
    monkeypatch.setattr(Base, "factor", 9.0)
    np.testing.assert_array_equal(compiled(model, x), model(x))


def test_what_a_base_does_not_have():
    class Plain(Base):
        def made(self, x):
            return super().missing(x)

    with pytest.raises(AttributeError, match="missing"):
        graphc.compile(lambda model, x: model.made(x))(Plain(), np.ones(3))


def test_imports_in_the_body():
    def body(x, a):
        import math
        from math import floor

        import numpy.linalg as linalg
        from numpy import zeros

        made = zeros(2)
        made[0] = math.sin(a) + math.erf(a) + floor(2.5) + math.hypot(3, a)
        made[1] = linalg.norm(x)
        return made

    x = np.arange(3.0)
    np.testing.assert_allclose(graphc.compile(body)(x, 0.3), body(x, 0.3))


def test_an_import_of_the_users_own_module():
    def body(x):
        from tests.helpers_module import fill

        return fill(x, 2.0)

    np.testing.assert_array_equal(graphc.compile(body)(np.ones(2)), body(np.ones(2)))


def test_an_import_of_what_is_not_there():
    def body(x):
        try:
            import a_module_that_is_not_there as module
        except ImportError:
            module = None
        return x if module is None else x + 1

    np.testing.assert_array_equal(graphc.compile(body)(np.ones(2)), np.ones(2))
