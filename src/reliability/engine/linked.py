"""Parts and wholes: the posterior of every quantity of a tree, by messages along its splits.

Every split divides a whole in two by a share ~ Beta; a Dirichlet is a tree of such splits. What
the other quantities say of one comes to it as a density on x, which plays the part of its prior:
everything else about it is found as for a quantity that stands alone.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

import attrs
import numpy as np
from numpy.typing import NDArray

from reliability.claims.columns import Columns
from reliability.engine.density import PanelDensity
from reliability.engine.inference import Inference, infer
from reliability.engine.likelihoods import UnsoundKind
from reliability.engine.log_functions import LogFunction, Places, of_prior, product
from reliability.engine.marginal import marginal_likelihood
from reliability.engine.messages import to_part, to_whole
from reliability.engine.panels import Panels, initial_panels
from reliability.engine.prior_panels import log_mass, prior_on_panels
from reliability.engine.quadrature import refine
from reliability.engine.setup import Setup
from reliability.engine.voids import VOID_NEEDS_PRIOR, with_voids
from reliability.errors import NoPosteriorError, ReliabilityError
from reliability.priors import Beta, Flat, PriorOnX, PriorsOnX, QuantityPrior
from reliability.scales import Scale

__all__ = ["LinkedQuantity", "Message", "Split", "solve_tree"]

Array = NDArray[np.float64]


@attrs.frozen
class Split:
    """A whole is a part and a rest, or a part and what nothing is known of (``rest`` None)."""

    whole: Hashable
    part: Hashable
    rest: Hashable | None
    share: Beta


@attrs.frozen(eq=False)
class Message(QuantityPrior):
    """What is known of a quantity apart from its own claims, as a prior on x."""

    function: LogFunction
    from_claims = True

    def _on(self, scale: Scale, hull: tuple[float, float] | None) -> PriorOnX:  # noqa: ARG002
        """The same on x, where it is known."""
        function = self.function
        return PriorOnX(
            _OnX(function),
            function.low,
            function.high,
            function.places.location,
            function.places.scale,
            function.places.kinks,
            function.lower_tail,
            function.upper_tail,
            proper=function.integrable,
            normalised=False,
        )


@attrs.frozen(eq=False)
class _OnX:
    function: LogFunction

    def __call__(self, anchor: Array, d: Array) -> Array:
        return self.function.log(anchor + d)


@attrs.frozen(eq=False)
class LinkedQuantity:
    """Posterior of one quantity of a tree, and how its claims fit in.

    ``tail`` is the probability that what the quantity's own branch says lies as far from what
    all others say; nan at the root, and where one of them says nothing definite.
    ``log_evidence`` is that of all claims of the tree; None under improper priors.
    """

    inference: Inference
    tail: float
    log_evidence: float | None


def solve_tree(
    splits: Sequence[Split],
    root: str,
    prior: QuantityPrior,
    given: Mapping[str, tuple[Columns, Setup]],
) -> dict[str, LinkedQuantity]:
    """Posteriors of all quantities of a tree.

    Parameters
    ----------
    splits : how wholes divide
    root : the quantity that is part of none
    prior : of the root
    given : the claims about each quantity, possibly none, and everything else about it

    Raises
    ------
    NoPosteriorError
        If the claims of the tree and the prior define no probability distribution.
    """
    scale = given[root][1].scale
    tree = _Tree.of(splits, root, prior.on(scale))
    backgrounds = {name: tree.background(name, prior) for name in given if _doubts(*given[name])}
    for name, (columns, setup) in given.items():
        if not columns.count:
            continue
        background = backgrounds.get(name)
        try:
            if background is not None:
                columns = with_voids(  # noqa: PLW2901
                    columns,
                    attrs.evolve(setup, prior=background),
                    PriorsOnX.common(background.on(scale), 1),
                    columns,
                )
            tree.own[name] = marginal_likelihood(columns, setup)
        except ReliabilityError as error:
            raise error.located(f"quantity {name!r}") from None
    found: dict[str, Inference] = {}
    for name in sorted(given, key=lambda name: (name != root, name)):
        columns, setup = given[name]
        incoming = tree.incoming(name)
        try:
            found[name] = _inferred(incoming, columns, setup, backgrounds.get(name))
        except ReliabilityError as error:
            raise error.located(f"quantity {name!r}") from None
    proper = tree.prior is not None and all(
        setup.scatter is None or setup.scatter.proper or not columns.count
        for columns, setup in given.values()
    )
    log_evidence = None
    if proper:
        first = found[root]
        log_evidence = first.log_normaliser + log_mass(first.prior) - log_mass(prior.on(scale))
    return {name: LinkedQuantity(found[name], tree.tail(name), log_evidence) for name in given}


def _doubts(columns: Columns, setup: Setup) -> bool:
    """Whether some of the claims may be Voids."""
    return setup.law.kind is UnsoundKind.VOID and bool(np.any(columns.reliability != 1.0))


def _inferred(
    incoming: LogFunction | None,
    columns: Columns,
    setup: Setup,
    background: QuantityPrior | None,
) -> Inference:
    """Posterior of one quantity from what the others say of it and its own claims."""
    prior = Flat() if incoming is None else Message(incoming)
    setup = attrs.evolve(setup, prior=prior, background=background)
    if not columns.count and not setup.prior.on(setup.scale).proper:
        raise NoPosteriorError(
            "it has no claims of its own, and those about the quantities linked with it do not "
            "bound it from both sides; give a proper prior on the root, such as "
            "prior=priors.LogNormal(median, sigma)"
        )
    inference = infer(columns, setup)
    error = 0.0 if incoming is None else 2.0 * incoming.error
    return attrs.evolve(inference, error=inference.error + error)


@attrs.frozen(eq=False)
class _Tree:
    """Functions of x that the quantities of a tree tell each other, each found once.

    ``own`` are the likelihoods of the quantities that have claims; ``prior`` is None if flat.
    """

    root: str
    prior: LogFunction | None
    below: dict[Hashable, list[Split]]
    above: dict[Hashable, Split]
    own: dict[Hashable, LogFunction] = attrs.field(factory=dict)
    _found: dict[tuple[str, Hashable], LogFunction | None] = attrs.field(factory=dict)

    @classmethod
    def of(cls, splits: Sequence[Split], root: str, prior: PriorOnX) -> _Tree:
        below: dict[Hashable, list[Split]] = {}
        above: dict[Hashable, Split] = {}
        for split in splits:
            below.setdefault(split.whole, []).append(split)
            above[split.part] = split
            if split.rest is not None:
                above[split.rest] = split
        return cls(root, None if prior.flat else of_prior(prior), below, above)

    def _to_whole(self, split: Split) -> LogFunction | None:
        """What a split's both sides say of its whole."""
        key = ("up", split.part)
        if key not in self._found:
            rest = None if split.rest is None else self.branch(split.rest)
            self._found[key] = to_whole(split.share, self.branch(split.part), rest)
        return self._found[key]

    def _from_parts(self, name: Hashable, but: Split | None = None) -> list[LogFunction]:
        messages = [self._to_whole(s) for s in self.below.get(name, []) if s is not but]
        return [message for message in messages if message is not None]

    def branch(self, name: Hashable) -> LogFunction | None:
        """What the claims about a quantity and about its parts say of it."""
        own = [self.own[name]] if name in self.own else []
        return product([*own, *self._from_parts(name)])

    def from_above(self, name: Hashable) -> LogFunction | None:
        """What all other claims, and the prior, say of a quantity."""
        if name == self.root:
            return self.prior
        key = ("down", name)
        if key not in self._found:
            split = self.above[name]
            whole = self._around(split.whole, split)
            share, other = split.share, split.rest
            if name == split.rest:
                share, other = Beta(share.b, share.a), split.part
            beside = None if other is None else self.branch(other)
            self._found[key] = to_part(share, whole, beside)
        return self._found[key]

    def _around(self, name: Hashable, but: Split) -> LogFunction | None:
        """All that is known of a whole but through one of its splits."""
        above = self.from_above(name)
        factors = [] if above is None else [above]
        factors += [self.own[name]] if name in self.own else []
        return product([*factors, *self._from_parts(name, but)])

    def incoming(self, name: Hashable) -> LogFunction | None:
        """What is known of a quantity apart from the claims about itself."""
        above = self.from_above(name)
        return product([*([] if above is None else [above]), *self._from_parts(name)])

    def background(self, name: Hashable, prior: QuantityPrior) -> QuantityPrior:
        """Prior of a quantity before any claim."""
        if self.prior is None:
            raise NoPosteriorError(VOID_NEEDS_PRIOR)
        path = []
        while name != self.root:
            split = self.above[name]
            share = split.share
            path.append(share if name == split.part else Beta(share.b, share.a))
            name = split.whole
        function: LogFunction | None = self.prior
        for share in reversed(path):
            function = to_part(share, function, None)
        assert function is not None  # noqa: S101 - a proper prior says something
        return Message(function) if path else prior

    def tail(self, name: Hashable) -> float:
        """How far what a branch says of its top lies from what all others say."""
        above, branch = self.from_above(name), self.branch(name)
        if name == self.root or above is None or branch is None:
            return float("nan")
        if not (above.integrable and branch.integrable):
            return float("nan")
        below, beyond = _sides(branch, above)
        return min(1.0, 2.0 * min(below, beyond))


def _sides(branch: LogFunction, above: LogFunction) -> tuple[float, float]:
    """Probabilities that a draw of one density lies below, and above, one of another."""
    other = Message(above)
    density = prior_on_panels(other.on(_ANY)).with_tails(above.lower_tail, above.upper_tail)
    mass = log_mass(Message(branch).on(_ANY))
    places = Places.join([branch.places, above.places])
    panels = initial_panels(attrs.evolve(branch, places=places).features())
    return tuple(
        float(np.exp(_log_mean(panels, branch, density, upper=upper) - mass))
        for upper in (False, True)
    )  # type: ignore[return-value]


def _log_mean(panels: Panels, branch: LogFunction, density: PanelDensity, *, upper: bool) -> float:
    """Log integral of a function times the probability on one side of x."""

    def log_density(some: Panels) -> Array:
        x = some.anchor[:, None] + some.nodes()[0]
        side = density.above(x) if upper else density.below(x)
        with np.errstate(divide="ignore"):
            return np.asarray(branch.log(x) + np.log(side))

    mesh = refine(panels, log_density, 1, tolerance=1e-9, noise=1e-11)
    return float(mesh.log_total[0])


#: A message is on x, whatever the scale.
_ANY = Scale("log", 0.0, np.inf)
