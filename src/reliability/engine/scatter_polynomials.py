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

__all__ = ["Polynomials", "Sums"]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: Of more claims making the coefficients takes longer than it saves.
_MOST_CLAIMS = 30
#: Largest logarithm of a term of the polynomials; that of the largest float is 709.
_LARGEST_LOG = 690.0
#: Quantities whose coefficients are made at once: arrays of some 128 kB.
_AT_ONCE = 512
#: Size of products of matrices that linear algebra leaves to a single thread.
_PRODUCT = 1 << 18


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


@attrs.frozen(eq=False)
class Polynomials:
    """The polynomials of many quantities, each in its own ``unit`` of tau, (quantities,).

    ``terms`` are the coefficients of P times the unit's square, N_1, N_2 and N_0: (powers, 4,
    quantities); ``largest`` the logarithms of the largest v of each quantity, and of what else
    multiplies the powers.
    """

    unit: Array
    terms: Array
    largest: Array

    @classmethod
    def of(cls, variance: Array, y: Array, unit: Array) -> Polynomials | None:
        """Of the claims' variances without tau, and values: (claims, quantities).

        None of more claims than it serves for.
        """
        claims, quantities = variance.shape
        if claims > _MOST_CLAIMS:
            return None
        # One claim of all quantities after the other.
        variance, y = np.ascontiguousarray(variance), np.ascontiguousarray(y)
        square = unit * unit
        v = variance / square
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            sizes = np.log([np.abs(y).max(axis=0), unit])
            largest = np.stack([np.log(v.max(axis=0)), 2.0 * np.maximum(sizes, 0.0).sum(axis=0)])
            factors, terms = np.stack([y, y * y], axis=1), np.zeros((claims + 1, 4, quantities))
            for begin in range(0, quantities, _AT_ONCE):
                part = slice(begin, begin + _AT_ONCE)
                _fill(terms[..., part], v[:, part], factors[..., part], square[part])
        return cls(unit, terms, largest)

    def at(self, quantities: IntArray | slice) -> Polynomials:
        """Those of some of the quantities."""
        return Polynomials(
            self.unit[quantities], self.terms[:, :, quantities], self.largest[:, quantities]
        )

    def sums(self, node: Array) -> Sums | None:
        """The sums at nodes, in units: (quantities, nodes). None where they would overflow."""
        powers, s = len(self.terms), node * node
        size, others = self.largest
        if not np.all((powers - 1) * np.maximum(size, np.log(s.max())) + others <= _LARGEST_LOG):
            return None
        at_nodes = np.vander(s, powers, increasing=True).T
        terms = np.moveaxis(self.terms, 0, -1)
        values = np.empty((4, len(self.unit), len(s)))
        step = max(_PRODUCT // at_nodes.size, 1)
        for begin in range(0, len(self.unit), step):
            part = slice(begin, begin + step)
            np.matmul(terms[:, part], at_nodes, out=values[:, part])
        product, first, second, precision = values
        logs = np.log(precision)
        logs += (2.0 * (powers - 2) * np.log(self.unit))[:, None]
        np.negative(logs, out=logs)
        alone = product / precision
        inverse = np.divide(1.0, product, out=product)
        precision *= inverse
        first *= inverse
        second *= inverse
        return Sums(alone, precision, first, second, logs)


def _fill(terms: Array, v: Array, factors: Array, square: Array) -> None:
    """Make the coefficients of some quantities; ``factors`` are y and its square."""
    claims, quantities = v.shape
    made = np.zeros((claims + 1, 3, quantities))
    made[0, 0] = 1.0
    # One claim more: each polynomial times (v + s), and what it adds to N_1 and N_2.
    for i in range(claims):
        before = made[: i + 1].copy()
        made[: i + 1] *= v[i]
        made[1 : i + 2] += before
        made[: i + 1, 1:] += before[:, :1] * factors[i]
    np.multiply(made[:, 0], square, out=terms[:, 0])
    terms[:, 1:3] = made[:, 1:]
    power = np.arange(1.0, claims + 1.0)[:, None]
    np.multiply(made[1:, 0], power, out=terms[:-1, 3])
