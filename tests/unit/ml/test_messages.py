"""What the trainer publishes."""

from datetime import UTC, datetime

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from candlewave.ml.messages import event_message, reference, reference_messages

NOW = datetime(2026, 3, 2, tzinfo=UTC)


def test_deciles_hold_a_tenth_each_and_missing_values_are_counted() -> None:
    values = np.concatenate((np.arange(1_000.0), np.full(250, np.nan)))
    found = reference("7", "rsi_14_1m", values)
    assert len(found.edges) == 9
    assert len(found.shares) == 11
    assert found.shares[0] == pytest.approx(0.2)
    assert found.shares[1:] == pytest.approx([0.08] * 10)
    assert sum(found.shares) == pytest.approx(1)


@given(st.floats(-1e6, 1e6))
def test_a_value_at_an_edge_lies_below_it_in_double_precision_too(value: float) -> None:
    """Training rounds to single precision; drift in SQL compares the double that was not rounded."""
    trained = np.full(100, value, np.float32).astype(np.float64)
    found = reference("7", "f", trained)
    assert found.shares[1] == 1, "all values lie in the first bucket, ends belong below"
    assert value <= found.edges[0]
    assert found.edges[0] - value < 2e-7 * max(abs(value), 1e-30)


def test_a_feature_that_is_missing_everywhere_or_constant_has_a_reference() -> None:
    assert reference("7", "f", np.full(10, np.nan)).shares[0] == 1
    assert sum(reference("7", "f", np.full(10, 3.0)).shares) == pytest.approx(1)


def test_only_features_that_matter_are_published() -> None:
    values = np.random.default_rng(1).standard_normal((100, 3)).astype(np.float32)
    messages = reference_messages("7", ("a", "b", "c"), values, {"a": 0.1, "b": 0.9, "c": 0.0})
    assert [msgspec.json.decode(m.value or b"")["feature"] for m in messages] == ["b", "a"]
    assert {m.key for m in messages} == {"7"}


def test_a_repeated_event_is_the_same_event() -> None:
    first, second = (event_message("candlewave", "7", "promoted", "better", NOW) for _ in range(2))
    assert first.value == second.value
    other = event_message("candlewave", "7", "rejected", "better", NOW)
    ids = {msgspec.json.decode(m.value or b"")["event_id"] for m in (first, other)}
    assert len(ids) == 2
