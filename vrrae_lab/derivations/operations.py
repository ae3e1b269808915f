r"""Counting the floating-point operations of a function from its jaxpr.

- A matrix product of M×K and K×N counts 2MNK.
- A factorisation cannot be counted so, as it is one call of LAPACK; it counts what Golub & Van Loan (*Matrix
  Computations*, 4th ed., sections 8.3 and 8.6) give: a thin SVD of m×n, m ≥ n, with both factors 6mn² + 20n³ (their
  R-SVD), eigenvalues and eigenvectors of a symmetric n×n matrix 9n³.
- Any other operation on floats counts one per element, except those that only move or convert data.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

MOVES = {
    "broadcast_in_dim",
    "concatenate",
    "convert_element_type",
    "copy",
    "copy_p",
    "dynamic_slice",
    "gather",
    "iota",
    "pad",
    "reshape",
    "rev",
    "scatter",
    "select_n",
    "slice",
    "split",
    "squeeze",
    "stop_gradient",
    "transpose",
}


class Operations(NamedTuple):
    """How many, by kind."""

    products: int
    factorisations: int
    others: int

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self)


def count_operations(function: Callable[..., Any], *arguments: Any) -> Operations:
    """Those of one call of `function`, which is traced and not run.

    Raises:
        ValueError: if it loops or branches on values, so that its operations are not decided by shapes.
    """
    return _count(jax.make_jaxpr(function)(*arguments).jaxpr)


def _count(jaxpr: Any) -> Operations:
    products = factorisations = others = 0
    for equation in _used(jaxpr):
        name = equation.primitive.name
        if name in ("while", "scan", "cond"):
            raise ValueError(f"the function contains a {name}, whose operations are not decided by shapes alone")
        inner = [part for value in equation.params.values() for part in _jaxprs(value)]
        if inner:  # of a call: the primal of a custom derivative, say
            called = _count(inner[0])
            products, factorisations = products + called.products, factorisations + called.factorisations
            others += called.others
        elif name == "dot_general":
            products += _of_product(equation)
        elif name in ("svd", "eigh"):
            factorisations += _of_factorisation(name, equation.invars[0].aval.shape)
        elif name not in MOVES and jnp.issubdtype(equation.outvars[0].aval.dtype, jnp.floating):
            # a reduction works on what goes in, anything else makes what comes out
            others += max(int(np.prod(v.aval.shape)) for v in (*equation.invars, *equation.outvars))
    return Operations(products, factorisations, others)


def _used(jaxpr: Any) -> list[Any]:
    """The equations whose results count in the end; the compiler drops the others."""
    wanted = {id(v) for v in jaxpr.outvars}
    found = []
    for equation in reversed(jaxpr.eqns):
        if any(id(v) in wanted for v in equation.outvars):
            wanted |= {id(v) for v in equation.invars}
            found.append(equation)
    return found


def _jaxprs(value: Any) -> list[Any]:
    """The jaxprs that a parameter of an equation holds; functions that make one when needed are left alone."""
    if hasattr(value, "eqns"):
        return [value]
    if hasattr(value, "jaxpr") and hasattr(value.jaxpr, "eqns"):
        return [value.jaxpr]
    return []


def _of_product(equation: Any) -> int:
    (contracted, _), _ = equation.params["dimension_numbers"]
    shape = equation.invars[0].aval.shape
    return 2 * int(np.prod(equation.outvars[0].aval.shape)) * int(np.prod([shape[axis] for axis in contracted]))


def _of_factorisation(name: str, shape: tuple[int, ...]) -> int:
    n, m = sorted(shape[-2:])
    return 9 * n**3 if name == "eigh" else 6 * m * n**2 + 20 * n**3
