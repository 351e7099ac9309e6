"""Sums over claims at nodes of tau that many quantities have in common, but for a unit.

With ``v_i = sigma_i^2/unit^2`` and ``s = (tau/unit)^2`` the sums are quotients of polynomials in s,

    P(s) = prod_i (v_i + s),    N_k(s) = sum_i y_i^k prod_{j != i} (v_j + s),

of which ``N_0 = P'``. Their coefficients are made once for each quantity; the polynomials at nodes
s that are the same for all are a product of matrices, without a division for every claim and node.
All terms of P, N_0 and N_2 are positive, and those of N_1 cancel no more than those of
``sum y_i/(v_i + s)`` itself: rounding grows with the claims as that of the plain sums does.
"""

from __future__ import annotations

import attrs
import numpy as np
from numpy.typing import NDArray

__all__ = ["CommonNodes", "Sums", "sums_by_polynomials"]

Array = NDArray[np.float64]

#: Of more claims making the coefficients takes longer than it saves.
_MOST_CLAIMS = 30
#: Largest logarithm of a term of the polynomials; that of the largest float is 709.
_LARGEST_LOG = 690.0
#: Size of products of matrices that linear algebra leaves to a single thread.
_PRODUCT = 1 << 18


@attrs.frozen(eq=False)
class CommonNodes:
    """Nodes of tau: ``node``, (nodes,), in a ``unit`` of each quantity's own, (quantities,)."""

    unit: Array
    node: Array


@attrs.frozen(eq=False)
class Sums:
    """Sums over the claims, at nodes; with ``w_i = a_i / sigma_i^2`` of w h^2, w h y and w y^2.

    ``logs`` is that of ``a log(1/sigma^2)``, and of the log of ``alone`` = 1/precision.
    """

    alone: Array
    precision: Array
    first: Array
    second: Array
    logs: Array


def sums_by_polynomials(variance: Array, y: Array, nodes: CommonNodes) -> Sums | None:
    """The sums, of whole claims; None where the polynomials would not save time or overflow.

    Parameters
    ----------
    variance, y : (claims, quantities), the variances without tau not below the unit's square
    nodes : at which the sums are wanted

    Returns
    -------
    arrays (quantities, nodes)
    """
    claims, quantities = variance.shape
    if claims > _MOST_CLAIMS:
        return None
    square = nodes.unit * nodes.unit
    v, s = variance / square, nodes.node * nodes.node
    with np.errstate(divide="ignore"):
        sizes = np.log([max(v.max(), s.max()), np.abs(y).max(), nodes.unit.max()])
    if not claims * sizes[0] + 2.0 * np.maximum(sizes[1:], 0.0).sum() <= _LARGEST_LOG:
        return None
    powers = np.vander(s, claims + 1, increasing=True).T
    terms = np.moveaxis(_coefficients(v, y, square), 0, -1)
    values = np.empty((len(terms), quantities, len(s)))
    step = max(_PRODUCT // powers.size, 1)
    for begin in range(0, quantities, step):
        part = slice(begin, begin + step)
        np.matmul(terms[:, part], powers, out=values[:, part])
    product, first, second, others = values
    alone = product / others
    logs = np.log(others)
    logs += ((claims - 1.0) * np.log(square))[:, None]
    np.negative(logs, out=logs)
    inverse = np.divide(1.0, product, out=product)
    others *= inverse
    first *= inverse
    second *= inverse
    return Sums(alone, others, first, second, logs)


def _coefficients(v: Array, y: Array, square: Array) -> Array:
    """Coefficients of P times the unit's square, N_1, N_2 and N_0: (powers, 4, quantities)."""
    claims, quantities = v.shape
    out = np.zeros((claims + 1, 4, quantities))
    out[0, 0] = 1.0
    made = out[:, :3]
    # One claim more: each polynomial times (v + s), and what the claim adds to N_1 and N_2.
    for i in range(claims):
        before = made[: i + 1].copy()
        made[: i + 1] *= v[i]
        made[1 : i + 2] += before
        added = before[:, 0] * y[i]
        made[: i + 1, 1] += added
        added *= y[i]
        made[: i + 1, 2] += added
    np.multiply(out[1:, 0], np.arange(1.0, claims + 1.0)[:, None], out=out[:-1, 3])
    out[:, 0] *= square
    return out
