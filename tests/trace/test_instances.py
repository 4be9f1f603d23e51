"""Objects of a user's class that a compiled function makes: their methods are traced, too."""

import abc
import dataclasses
import enum
import functools

import numpy as np
import pytest

import graphc


class Dual:
    """A number with its derivative; methods make arrays of their own."""

    __slots__ = ("d", "v")

    def __init__(self, v, d=None):
        self.v = v
        self.d = np.zeros(v.shape) if d is None else d

    def __add__(self, other):
        other = other if isinstance(other, Dual) else Dual(np.full(self.v.shape, other))
        return Dual(self.v + other.v, self.d + other.d)

    __radd__ = __add__

    def __mul__(self, other):
        return type(self)(self.v * other.v, self.v * other.d + self.d * other.v)

    def __getitem__(self, index):
        return self.__class__(self.v[index], self.d[index])

    def __len__(self):
        return len(self.v)

    def __iter__(self):
        return iter([self.v, self.d])


@dataclasses.dataclass
class Point:
    x: np.ndarray
    y: float = 2.0
    tags: list = dataclasses.field(default_factory=list)

    def __post_init__(self):
        self.w = np.zeros(3)
        self.w[0] = self.x[0]

    @functools.cached_property
    def scaled(self):
        return self.x.sum() * self.y

    @property
    def both(self):
        return self.w + self.x

    @both.setter
    def both(self, value):
        self.x = value


class Kind(enum.Enum):
    FIRST = 1


class Abstract(abc.ABC):
    @abc.abstractmethod
    def filled(self, x): ...


class Concrete(Abstract):
    def filled(self, x):
        made = np.ones(2)
        made[1] = x[0]
        return made


class Problem(Exception):
    pass


class Sum:
    def __init__(self):
        self.items, self.count = [], 0

    def add(self, x):
        self.items.append(x)
        self.count += 1
        return self

    def result(self):
        return np.stack(self.items) / self.count

    def __enter__(self):
        return self

    def __exit__(self, *problem):
        return False

    @staticmethod
    def zeros(n):
        made = np.zeros(n)
        made[0] = 1
        return made

    @classmethod
    def of(cls, *items):
        made = cls()
        for item in items:
            made.add(item)
        return made


def operators(x):
    a = Dual(x, np.ones(3))
    b = 3.0 + a * a
    return b.v, b.d, b[1:].d, len(b), *b


def dataclasses_and_properties(x):
    point = Point(x)
    point.both = point.both * 2
    other = dataclasses.replace(point, y=3.0)
    return point.x, point.scaled, point.both, other.y, isinstance(point, Point), Kind.FIRST.value


def abstract_classes(x):
    return Concrete().filled(x)


def exceptions(x):
    try:
        raise Problem("no")
    except Problem:
        return x + 1


def contexts_and_loops(x):
    with Sum() as found:
        for i in range(150):
            found.add(np.sin(x * i))
    return found.result(), found.count, Sum.of(x, x * 2).result(), Sum.zeros(2)


def local_classes(x):
    class Local:
        def __init__(self, v):
            self.v = v

        def filled(self):
            made = np.zeros(3)
            made[:] = self.v
            return made

    return Local(x).filled()


PROGRAMS = [
    operators,
    dataclasses_and_properties,
    abstract_classes,
    exceptions,
    contexts_and_loops,
    local_classes,
]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_values(program):
    x = np.arange(3.0) + 1
    found, wanted = graphc.compile(program)(x), program(x)
    if not isinstance(wanted, tuple):
        found, wanted = (found,), (wanted,)
    for result, expected in zip(found, wanted, strict=True):
        assert type(result) is type(expected)
        np.testing.assert_allclose(result, expected)


def test_what_is_returned_is_of_the_users_class():
    x = np.arange(3.0)
    point = graphc.compile(lambda x: Point(x * 2, tags=[x]))(x)
    assert type(point) is Point
    np.testing.assert_array_equal(point.w, [0, 0, 0])
    np.testing.assert_array_equal(point.both, x * 2)
    dual = graphc.compile(lambda x: {"dual": Dual(x)})(x)["dual"]
    assert type(dual) is Dual
    np.testing.assert_array_equal((dual + 1.0).v, x + 1)


def test_the_class_within_a_function_is_the_users():
    def same(x):
        return x * (type(Point(x)) is Point) * isinstance(Sum(), Sum)

    np.testing.assert_array_equal(graphc.compile(same)(np.ones(2)), [1, 1])


def test_a_method_that_changes_compiles_again(monkeypatch):
    compiled = graphc.compile(abstract_classes)
    np.testing.assert_array_equal(compiled(np.full(1, 5.0)), [1, 5])
    monkeypatch.setattr(Concrete, "filled", lambda self, x: np.zeros(2) + x)
    np.testing.assert_array_equal(compiled(np.full(1, 5.0)), [5, 5])


def test_gradients_through_objects():
    def energy(x):
        return operators(x)[0].sum() + dataclasses_and_properties(x)[1]

    graphc.testing.check_grads(energy, (np.arange(3.0) + 1,), order=2)


@dataclasses.dataclass
class Body:
    position: np.ndarray
    velocity: np.ndarray

    def moved(self, dt):
        position = np.empty(3)
        position[:] = self.position + dt * self.velocity
        return dataclasses.replace(self, position=position)

    def push(self, force):
        self.velocity = self.velocity + force
        self.position[0] = 7

    @property
    def energy(self):
        return np.sum(self.velocity**2) / 2


def test_methods_of_dataclasses_that_are_given():
    def step(body, dt):
        for _ in range(3):
            body = body.moved(dt)
        return body, body.energy

    def pushed(body):
        body.push(np.ones(3))

    body = Body(np.arange(3.0), np.ones(3))
    found, energy = graphc.compile(step)(body, 0.1)
    wanted, expected = step(body, 0.1)
    assert type(found) is Body
    np.testing.assert_allclose(found.position, wanted.position)
    assert energy == expected
    graphc.compile(pushed)(body)
    np.testing.assert_array_equal(body.velocity, [2, 2, 2])
    np.testing.assert_array_equal(body.position, [7, 1, 2])
    gradient = graphc.grad(lambda body: body.moved(0.5).position[1] ** 2 + body.energy)(body)
    assert type(gradient) is Body
    np.testing.assert_allclose(gradient.position, [0, 2 * (1 + 0.5 * 2), 0])
