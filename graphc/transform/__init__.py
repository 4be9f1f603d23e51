"""Transformations of functions; they nest in any order and to any depth."""

from graphc.transform.gradient import grad as grad
from graphc.transform.gradient import value_and_grad as value_and_grad
from graphc.transform.jacobian import hessian as hessian
from graphc.transform.jacobian import jacobian as jacobian
from graphc.transform.mapping import vmap as vmap
from graphc.transform.operation import operation as operation
from graphc.transform.products import jvp as jvp
from graphc.transform.products import vjp as vjp
from graphc.transform.regions import checkpoint as checkpoint
from graphc.transform.regions import custom_vjp as custom_vjp
from graphc.transform.regions import stop_gradient as stop_gradient
