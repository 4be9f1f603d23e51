"""``docs/api.md``, ``graphc.__all__`` and the package's docstring name the same things."""

import inspect
import operator
import pydoc
import re
from pathlib import Path

import graphc
from graphc.api import CompiledFunction
from tests.api_page import ERRORS, KINDS, METHODS, MODULES, page

PAGE = Path(__file__).parents[1] / "docs" / "api.md"


def test_the_page_is_what_the_package_says():
    assert PAGE.read_text() == page(), "python -m tests.api_page > docs/api.md"


def test_every_public_name_has_its_place():
    modules = [module for module in MODULES if "." not in module]
    placed = [name for names in KINDS.values() for name in names] + modules + ERRORS
    assert sorted(placed) == sorted(graphc.__all__)
    for module, names in MODULES.items():
        holder = operator.attrgetter(module)(graphc)
        found = vars(holder).items()
        own = [
            name
            for name, thing in found
            if inspect.isfunction(thing)
            and thing.__module__ == f"graphc.{module}"
            and not name.startswith("_")
        ]
        public = set(getattr(holder, "__all__", own)) - {"init", "fit"}
        assert sorted(public) == sorted(names)
    members = [name for name in vars(CompiledFunction) if not name.startswith("_")]
    assert sorted(members) == sorted(METHODS)


def test_the_docstring_names_them_all():
    named = set(re.findall(r"(?<!`)`(\w+)`", graphc.__doc__))
    assert named - {"check_grads"} == set(graphc.__all__)


def test_help_shows_them():
    text = pydoc.plain(pydoc.render_doc(graphc))
    for name in ("value_and_grad(", "scan(", "compile(", "class ShapeError"):
        assert name in text
