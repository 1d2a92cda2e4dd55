"""One call per model gives all forecasts; a model that fails leaves the others untouched."""

from datetime import UTC, datetime, timedelta
from math import exp, log

import numpy as np
import pytest
from prometheus_client import REGISTRY
from tests.fakes.forecasters import FakeForecaster

from candlewave.ml.feature_set import NoFeaturesError
from candlewave.ml.forecaster import FeatureMatrix, Part
from candlewave.services.predictor.forecast import Forecast, Forecasting, select
from candlewave.services.predictor.models import Models

NOON = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
BASELINE = FakeForecaster(model_name="baseline", model_version="b1", feature_names=("b",), width=0.02)


def matrix(rows: int = 2, names: tuple[str, ...] = ("a", "b")) -> FeatureMatrix:
    return FeatureMatrix(
        exchange=np.array(["kraken"] * rows, dtype=object),
        symbol=np.array([f"S{i}/USD" for i in range(rows)], dtype=object),
        open_time=np.array([NOON.replace(tzinfo=None)] * rows, dtype="datetime64[us]"),
        close=np.array([100.0 * (i + 1) for i in range(rows)]),
        names=names,
        values=np.arange(rows * len(names), dtype=np.float64).reshape(rows, len(names)) / 1000,
    )


def fallbacks(reason: str) -> float:
    return REGISTRY.get_sample_value("candlewave_predictor_fallbacks_total", {"reason": reason}) or 0.0


def names_of(forecasts: list[Forecast]) -> list[tuple[str, str, int, str]]:
    return [(f.symbol, f.model_version, f.horizon_minutes, f.role) for f in forecasts]


def test_every_market_horizon_and_model_from_one_call_each() -> None:
    champion = FakeForecaster("7", served_horizons=(5,))
    baseline = FakeForecaster(model_name="baseline", model_version="b1", feature_names=("b",))
    made = Forecasting((1, 5)).forecast(Models(baseline, champion), matrix())
    assert names_of(made) == [
        (symbol, *rest)
        for symbol in ("S0/USD", "S1/USD")
        for rest in (("7", 1, "challenger"), ("7", 5, "champion"), ("b1", 1, "baseline"), ("b1", 5, "baseline"))
    ]
    assert len(champion.asked) == len(baseline.asked) == 1
    five = next(f for f in made if f.symbol == "S1/USD" and f.role == "champion")
    assert five.feature_time == NOON
    assert five.target_time == NOON + timedelta(minutes=6)
    assert five.quantiles == pytest.approx((0.0, 0.01, 0.02))
    assert five.prices == pytest.approx((200.0, 200 * exp(0.01), 200 * exp(0.02)))
    assert five.reference_price == 200.0


def test_each_models_intervals_are_stretched_by_what_came_of_its_own_in_each_market() -> None:
    champion = FakeForecaster(
        "7",
        served_horizons=(5,),
        served_parts={5: "median"},
        answer=lambda m: np.tile([-0.02, 0.01, 0.04], (len(m), 2, 1)),
    )
    baseline = FakeForecaster(
        model_name="baseline",
        model_version="b1",
        feature_names=("b",),
        answer=lambda m: np.tile([-0.01, 0.0, 0.01], (len(m), 2, 1)),
    )
    doubled = {"kraken|S0/USD": log(2)}
    stretches = {(champion.model_name, "7"): {1: doubled}, ("baseline", "b1"): {5: doubled}, ("baseline", "b0"): {}}
    made = Forecasting((1, 5)).forecast(Models(baseline, champion), matrix(2), "", stretches)
    found = {(f.symbol[:2], f.model_version, f.horizon_minutes): pytest.approx(f.quantiles) for f in made}
    assert found["S0", "7", 1] == (-0.05, 0.01, 0.07)
    assert found["S0", "b1", 5] == (-0.02, 0.0, 0.02)
    assert found["S0", "7", 5] == (-0.02, 0.01, 0.02), "its median in the baseline's interval"
    for place, expected in (("7", 1), (-0.02, 0.01, 0.04)), (("b1", 5), (-0.01, 0.0, 0.01)):
        assert found["S1", *place] == expected
    assert found["S0", "b1", 1] == (-0.01, 0.0, 0.01)


@pytest.mark.parametrize(
    ("part", "expected"),
    [("median", (-0.01, 0.01, 0.01)), ("interval", (-0.02, 0.0, 0.04)), (None, (-0.02, 0.01, 0.04))],
)
def test_what_of_the_champion_did_not_pass_is_the_baselines(
    part: Part | None, expected: tuple[float, float, float]
) -> None:
    """At the champion's horizon only: in the shadow a model is judged whole."""
    champion = FakeForecaster(
        "7",
        served_horizons=(5,),
        served_parts={} if part is None else {5: part},
        answer=lambda m: np.tile([-0.02, 0.01, 0.04], (len(m), 2, 1)),
    )
    baseline = FakeForecaster(
        model_name="baseline",
        model_version="b1",
        feature_names=("b",),
        answer=lambda m: np.tile([-0.01, 0.0, 0.01], (len(m), 2, 1)),
    )
    made = Forecasting((1, 5)).forecast(Models(baseline, champion), matrix(1))
    found = {(f.role, f.horizon_minutes): f.quantiles for f in made}
    assert found["champion", 5] == expected
    assert found["challenger", 1] == (-0.02, 0.01, 0.04)
    assert found["baseline", 5] == (-0.01, 0.0, 0.01)


def test_a_model_of_features_that_mean_something_else_is_left_out() -> None:
    """The names are the same, and other periods are behind them."""
    before = fallbacks("feature_mismatch")
    models = Models(BASELINE, FakeForecaster("7"), feature_sets={"7": "set-1"})
    forecasting = Forecasting((1, 5))
    assert {f.model_version for f in forecasting.forecast(models, matrix(), "set-1")} == {"7", "b1"}
    assert {f.model_version for f in forecasting.forecast(models, matrix(), "set-2")} == {"b1"}
    assert fallbacks("feature_mismatch") == before + 1


def test_a_model_of_other_features_is_left_out_with_a_reason_the_baseline_takes_its_own(
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = fallbacks("feature_mismatch")
    champion = FakeForecaster("7", feature_names=("a", "c"))
    made = Forecasting((1, 5)).forecast(Models(BASELINE, champion), matrix(1))
    assert {f.model_name for f in made} == {"baseline"}
    assert fallbacks("feature_mismatch") - before == 1
    assert "lacks ['c']" in capsys.readouterr().out
    assert BASELINE.asked[-1].values.tolist() == [[0.001]]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda m: len(m) / 0, "prediction_failed"),
        (lambda m: np.zeros((len(m), 1, 3)), "prediction_failed"),
    ],
)
def test_a_model_that_fails_is_left_out(answer: object, reason: str) -> None:
    before = fallbacks(reason)
    champion = FakeForecaster("7", answer=answer)  # type: ignore[arg-type]
    made = Forecasting((1, 5)).forecast(Models(BASELINE, champion, FakeForecaster("8")), matrix(1))
    assert {f.model_version for f in made} == {"8", "b1"}
    assert fallbacks(reason) - before == 1


def test_answers_that_are_no_numbers_leave_out_their_market_only() -> None:
    before = fallbacks("not_finite")

    def answer(found: FeatureMatrix) -> np.ndarray:
        quantiles = np.zeros((len(found), 2, 3))
        quantiles[0, 1, 2] = np.nan
        return quantiles

    made = Forecasting((1, 5)).forecast(Models(BASELINE, FakeForecaster("7", answer=answer)), matrix())
    assert {f.symbol for f in made if f.role == "champion"} == {"S1/USD"}
    assert {f.symbol for f in made if f.role == "baseline"} == {"S0/USD", "S1/USD"}
    assert fallbacks("not_finite") - before == 1


def test_prices_beyond_numbers_are_left_out() -> None:
    before = fallbacks("not_finite")
    huge = FakeForecaster("7", answer=lambda m: np.full((len(m), 2, 3), 1e6))
    made = Forecasting((1, 5)).forecast(Models(BASELINE, huge), matrix(1))
    assert {f.model_name for f in made} == {"baseline"}
    assert fallbacks("not_finite") - before == 1


def test_quantiles_never_cross() -> None:
    crossed = FakeForecaster("7", answer=lambda m: np.tile([0.02, 0.0, 0.01], (len(m), 2, 1)))
    made = Forecasting((1, 5)).forecast(Models(BASELINE, crossed), matrix(1))
    assert next(f for f in made if f.role == "champion").quantiles == (0.0, 0.01, 0.02)


def test_only_configured_horizons() -> None:
    made = Forecasting((5,)).forecast(Models(BASELINE, FakeForecaster("7")), matrix(1))
    assert {f.horizon_minutes for f in made} == {5}


def test_a_baseline_that_cannot_forecast_is_an_error() -> None:
    with pytest.raises(NoFeaturesError, match="which the baseline needs: run `candlewave migrate`"):
        Forecasting((1, 5)).forecast(Models(BASELINE), matrix(1, ("a",)))
    failing = FakeForecaster(model_name="baseline", answer=lambda m: len(m) / 0)  # type: ignore[arg-type,return-value]
    with pytest.raises(ZeroDivisionError):
        Forecasting((1, 5)).forecast(Models(failing), matrix(1))


def test_selecting_keeps_the_order_asked_for() -> None:
    found = select(matrix(1, ("a", "b", "c")), ("c", "a"))
    assert found.values.tolist() == [[0.002, 0.0]]
    assert found.names == ("c", "a")
