"""The validator: what it accepts every view can use, and everything else is refused with a reason."""

import math
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from candlewave.contracts.records import Trade
from candlewave.core.markets import normalise_symbol
from candlewave.services.ingest.validate import Reject, Validator

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
GOOD = {
    "symbol": "BTC/USD",
    "trade_id": "17",
    "ts": "2026-05-01T11:59:59.123456Z",
    "price": "64000.10",
    "quantity": "0.5",
    "side": "buy",
}


def check(**changes: object) -> Trade | Reject:
    return Validator("kraken", {"BTC/USD", "ETH/USD"}, "live").check(
        received_at=NOW,
        **{**GOOD, **changes},  # type: ignore[arg-type]
    )


def test_a_good_record_becomes_the_trade_it_is() -> None:
    assert check() == Trade(
        exchange="kraken",
        symbol="BTC/USD",
        trade_id="17",
        seq=17,
        ts=datetime(2026, 5, 1, 11, 59, 59, 123456, tzinfo=UTC),
        side="buy",
        price="64000.10",
        quantity="0.5",
        origin="live",
    )


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"symbol": None}, "no_symbol"),
        ({"symbol": "BTCUSD"}, "bad_symbol"),
        ({"symbol": 5}, "bad_symbol"),
        ({"symbol": "DOGE/USD"}, "unknown_symbol"),
        ({"trade_id": ""}, "no_trade_id"),
        ({"trade_id": None}, "no_trade_id"),
        ({"trade_id": True}, "no_trade_id"),
        ({"trade_id": "x" * 300}, "bad_trade_id"),
        ({"trade_id": "a\x00b"}, "bad_trade_id"),
        ({"trade_id": "hb:2026"}, "bad_trade_id"),
        ({"trade_id": "abc"}, "bad_trade_id"),
        ({"trade_id": str(2**63)}, "bad_trade_id"),
        ({"ts": None}, "no_time"),
        ({"ts": ""}, "no_time"),
        ({"ts": "yesterday"}, "bad_time"),
        ({"ts": "2026-05-01T11:59:59"}, "bad_time"),
        ({"ts": 1_700_000_000}, "bad_time"),
        ({"ts": "1969-12-31T23:59:59Z"}, "bad_time"),
        ({"ts": NOW + timedelta(seconds=2, microseconds=1)}, "future_time"),
        ({"price": ""}, "no_price"),
        ({"price": None}, "no_price"),
        ({"price": "abc"}, "bad_price"),
        ({"price": "1_000"}, "bad_price"),
        ({"price": "１２"}, "bad_price"),
        ({"price": "0x10"}, "bad_price"),
        ({"price": [1]}, "bad_price"),
        ({"price": True}, "bad_price"),
        ({"price": "-5"}, "price_not_positive"),
        ({"price": "0"}, "price_not_positive"),
        ({"price": "0.000"}, "price_not_positive"),
        ({"price": "1e-999"}, "price_not_positive"),
        ({"price": "1e999"}, "price_not_finite"),
        ({"price": "1.1e30"}, "price_out_of_range"),
        ({"price": "9e-31"}, "price_out_of_range"),
        ({"quantity": "1e200"}, "quantity_out_of_range"),
        ({"price": "NaN"}, "price_not_finite"),
        ({"price": math.inf}, "price_not_finite"),
        ({"quantity": "-1"}, "quantity_not_positive"),
        ({"quantity": ""}, "no_quantity"),
        ({"side": "up"}, "bad_side"),
        ({"side": 1}, "bad_side"),
    ],
)
def test_a_bad_field_is_refused_with_its_reason(changes: dict[str, object], code: str) -> None:
    refused = check(**changes)
    assert isinstance(refused, Reject)
    assert refused.code == code
    assert refused.text


@pytest.mark.parametrize(
    ("changes", "field", "value"),
    [
        ({"symbol": "eth-usd"}, "symbol", "ETH/USD"),
        ({"trade_id": 18}, "trade_id", "18"),
        ({"trade_id": "abc", "seq": 4}, "seq", 4),
        ({"ts": NOW + timedelta(seconds=2)}, "ts", NOW + timedelta(seconds=2)),
        ({"ts": "2026-05-01T13:00:00+02:00"}, "ts", datetime(2026, 5, 1, 11, tzinfo=UTC)),
        ({"price": "1e-8"}, "price", "0.00000001"),
        ({"price": "+5."}, "price", "5"),
        ({"price": 0.1}, "price", "0.1"),
        ({"price": Decimal("12.50")}, "price", "12.50"),
        ({"side": " SELL "}, "side", "sell"),
        ({"side": ""}, "side", None),
        ({"side": None}, "side", None),
    ],
)
def test_harmless_differences_are_accepted(changes: dict[str, object], field: str, value: object) -> None:
    trade = check(**changes)
    assert isinstance(trade, Trade), trade
    assert getattr(trade, field) == value


def test_times_are_utc_whatever_the_zone() -> None:
    zone = timezone(timedelta(hours=-5))
    trade = check(ts=datetime(2026, 5, 1, 6, 0, tzinfo=zone))
    assert isinstance(trade, Trade)
    assert trade.ts.utcoffset() == timedelta(0)
    assert trade.ts == datetime(2026, 5, 1, 11, 0, tzinfo=UTC)


def test_any_well_formed_symbol_is_known_when_none_are_given() -> None:
    validator = Validator("kraken", None, "replay")
    fields = {**GOOD, "symbol": "PEPE-USD"}
    trade = validator.check(received_at=NOW, **fields)  # type: ignore[arg-type]
    assert isinstance(trade, Trade)
    assert trade.symbol == "PEPE/USD"


@pytest.mark.parametrize("name", ["", "Kraken", "a|b", "kra ken"])
def test_an_exchange_name_that_would_break_keys_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="exchange name"):
        Validator(name, None, "live")


anything = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=30),
    st.text(alphabet="0123456789.eE+-", max_size=20),
    st.datetimes(timezones=st.just(UTC)),
    st.datetimes(),
    st.decimals(),
    st.lists(st.integers(), max_size=2),
)


@given(symbol=anything, trade_id=anything, ts=anything, price=anything, quantity=anything, side=anything)
def test_nothing_makes_it_raise(**fields: object) -> None:
    result = Validator("kraken", None, "live").check(received_at=NOW, **fields)  # type: ignore[arg-type]
    assert isinstance(result, Trade | Reject)


@given(price=st.one_of(anything, st.floats(min_value=0, exclude_min=True).map(repr)), ts=anything)
@example(price="1e308", ts=datetime.max.replace(tzinfo=timezone(timedelta(hours=-14))))
@example(price="5e-324", ts=datetime.min.replace(tzinfo=timezone(timedelta(hours=14))))
def test_what_is_accepted_every_view_can_use(price: object, ts: object) -> None:
    result = check(price=price, ts=ts)
    if isinstance(result, Trade):
        assert 1e-30 <= float(result.price) <= 1e30
        assert set(result.price) <= set("0123456789.")
        assert Decimal(result.price) == Decimal(str(price).strip())
        assert datetime(1970, 1, 1, tzinfo=UTC) <= result.ts <= NOW + timedelta(seconds=2)


@given(st.text(max_size=50))
def test_a_normalised_symbol_is_stable(text: str) -> None:
    symbol = normalise_symbol(text)
    assert symbol is None or normalise_symbol(symbol) == symbol
