"""Claims as columns: what the forms become on the working coordinate."""

from __future__ import annotations

import pytest
from scipy.special import logit

from reliability import AtLeast, AtMost, Claim
from reliability.claims.columns import columns_from_claims
from reliability.errors import InvalidValueError
from reliability.scales import get_scale


@pytest.mark.parametrize(
    ("share", "salient"),
    [(0.6, 0.75), (0.75, 0.8), (0.8, 0.85), (0.9, 0.925), (0.99, 0.9925), (0.999, 0.99925)],
)
def test_a_share_near_one_is_as_round_as_the_rest(share: float, salient: float) -> None:
    scale = get_scale("logit")
    columns = columns_from_claims([Claim("A", AtLeast(share))], scale, 0.1, ["claim 1 (A)"])
    assert columns.excess[0] == pytest.approx(logit(salient) - logit(share), rel=1e-12)


def test_shares_above_three_quarters_mirror_those_below_a_quarter() -> None:
    scale = get_scale("logit")
    names = ["claim 1 (A)"]
    for percent in range(76, 100):
        above = columns_from_claims([Claim("A", AtLeast(percent / 100))], scale, 0.1, names)
        below = columns_from_claims([Claim("A", AtMost((100 - percent) / 100))], scale, 0.1, names)
        assert above.excess[0] == pytest.approx(below.excess[0], rel=1e-9)


def test_a_share_that_leaves_no_room_is_refused() -> None:
    with pytest.raises(
        InvalidValueError, match=r"claim 1 \(A\): value=0.9999999999999999 is too near the end"
    ):
        columns_from_claims(
            [Claim("A", AtLeast(1.0 - 1e-16))], get_scale("logit"), 0.1, ["claim 1 (A)"]
        )
