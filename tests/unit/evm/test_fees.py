from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.evm.amounts import wei_of
from connectors.evm.fees import Market, Offer, first_offer, raised_offer
from connectors.evm.sending_options import FeeOptions

GWEI = 10**9
OPTIONS = FeeOptions(max_fee=100 * GWEI, max_priority=5 * GWEI)
PRICES = st.integers(0, 200 * GWEI)


@pytest.mark.parametrize(
    ("text", "wei"),
    [
        ("0", 0),
        ("21000", 21_000),
        ("30 gwei", 30 * GWEI),
        ("0.000000001 gwei", 1),
        ("1.5gwei", 1_500_000_000),
        ("24873808145.113565803 gwei", 24873808145113565803),
        ("0.000000000000000001 ether", 1),
        ("1.0 wei", 1),
    ],
)
def test_an_amount_is_read_to_the_wei(text: str, wei: int) -> None:
    assert wei_of(text) == wei


@pytest.mark.parametrize("text", ["", "1.5", "-1", "1e18", "1,5 gwei", "0.0000000001 gwei", "1 eth", "gwei", 1.5, None])
def test_what_is_no_whole_number_of_wei_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match=r"amount|whole number"):
        wei_of(text)


def test_the_first_offer_outlasts_six_full_blocks() -> None:
    offer = first_offer(Market(20 * GWEI, GWEI), OPTIONS)
    assert offer == Offer(41 * GWEI, GWEI)


@given(PRICES, PRICES)
def test_an_offer_is_within_its_caps_and_pays_for_the_next_block(base_fee: int, tip: int) -> None:
    offer = first_offer(Market(base_fee, tip), OPTIONS)
    if offer is None:
        assert base_fee + 1 > OPTIONS.max_fee
        return
    assert offer.priority <= offer.max_fee <= OPTIONS.max_fee
    assert offer.priority <= OPTIONS.max_priority
    assert offer.max_fee >= base_fee + min(tip, offer.priority)


@given(PRICES, PRICES, PRICES, PRICES)
def test_a_replacement_offers_an_eighth_more_of_both_or_there_is_none(
    base_fee: int, tip: int, later_base_fee: int, later_tip: int
) -> None:
    last = first_offer(Market(base_fee, tip), OPTIONS)
    if last is None:
        return
    raised = raised_offer(last, Market(later_base_fee, later_tip), OPTIONS)
    if raised is None:
        assert last.max_fee * 9 > OPTIONS.max_fee * 8 - 9 or last.priority * 9 > OPTIONS.max_priority * 8 - 9
        return
    assert raised.max_fee * 8 >= last.max_fee * 9
    assert raised.priority * 8 >= last.priority * 9
    assert raised.priority > last.priority
    assert raised.priority <= raised.max_fee <= OPTIONS.max_fee
    assert raised.priority <= OPTIONS.max_priority


def test_a_replacement_goes_up_to_the_cap_where_that_still_is_enough() -> None:
    options = FeeOptions(max_fee=100 * GWEI, max_priority=5 * GWEI, bump=5_000)
    assert raised_offer(Offer(80 * GWEI, GWEI), Market(GWEI, 0), options) == Offer(100 * GWEI, 1_500_000_000)
    assert raised_offer(Offer(90 * GWEI, GWEI), Market(GWEI, 0), options) is None


def test_an_offer_at_a_spike_leaves_room_below_the_cap_for_a_replacement() -> None:
    offer = first_offer(Market(60 * GWEI, GWEI), OPTIONS)
    assert offer is not None
    assert offer.max_fee < OPTIONS.max_fee
    assert raised_offer(offer, Market(60 * GWEI, GWEI), OPTIONS) is not None
    at_the_cap = first_offer(Market(95 * GWEI, GWEI), OPTIONS)
    assert at_the_cap == Offer(96 * GWEI, GWEI)
