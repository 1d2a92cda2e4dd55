"""The numbers behind the templates."""

import math

import pytest

from candlewave.core.config import Config, ConfigError
from candlewave.sqlproject.catalog.constants import Layer
from candlewave.sqlproject.catalog.indicators import catalog
from candlewave.sqlproject.catalog.smoothing import CHUNK_BARS, TRUNCATION, Smoothing

PERIODS = (2, 3, 9, 12, 14, 26, 50, 200, 500)


@pytest.mark.parametrize("kind", ["ema", "wilder"])
@pytest.mark.parametrize("period", PERIODS)
def test_what_is_not_carried_weighs_less_than_the_truncation(kind: str, period: int) -> None:
    smoothing = Smoothing(kind, period)

    assert smoothing.decay ** (CHUNK_BARS * smoothing.carried_chunks) <= TRUNCATION
    assert smoothing.carried_chunks == 1 or smoothing.chunk_decay(smoothing.carried_chunks - 1) > TRUNCATION


def test_quotients_stay_exact_through_a_quiet_market() -> None:
    layer = Layer(Config())
    quiet = layer.config.candles.max_fill_minutes

    for period in PERIODS:
        smoothing = layer.wilder(period)
        assert smoothing.decay ** (CHUNK_BARS * smoothing.carried_chunks - quiet) <= TRUNCATION * (1 + 1e-12)


def test_decays_are_those_of_the_definitions() -> None:
    assert Smoothing("ema", 12).decay == pytest.approx(1 - 2 / 13)
    assert Smoothing("wilder", 14).decay == pytest.approx(1 - 1 / 14)


@pytest.mark.parametrize("period", PERIODS)
def test_every_allowed_period_stays_inside_double_precision(period: int) -> None:
    for kind in ("ema", "wilder"):
        smoothing = Smoothing(kind, period)
        smoothing.check_range()
        assert math.isfinite(1e18 * CHUNK_BARS**3 * smoothing.decay ** -(CHUNK_BARS - 1))


def test_a_smoothing_that_leaves_double_precision_is_refused() -> None:
    class Fast(Smoothing):
        @property
        def decay(self) -> float:
            return 0.05

    with pytest.raises(ConfigError, match="cannot be summed over 256 bars"):
        Fast("ema", 2).check_range()


def test_a_period_of_one_is_refused() -> None:
    with pytest.raises(ConfigError, match="ema of period 1 "):
        Smoothing("ema", 1).check_range()


def test_numbers_are_written_so_that_risingwave_reads_them() -> None:
    assert Layer.double(7.1e-38) == "'7.1e-38'::double precision"
    assert float(Layer.double(1 / 3).split("'")[1]) == 1 / 3
    with pytest.raises(ConfigError, match="not a number"):
        Layer.double(math.inf)


def test_equal_smoothings_share_their_sums() -> None:
    layer = Layer(Config())

    names = [term.name for term in layer.terms]
    assert len(set(names)) == len(names)
    assert sum(name.startswith("true_range_wilder_14") for name in names) == 1


@pytest.mark.parametrize(
    ("period", "again", "weights"), [(3, 1, [1, 1, 1]), (3, 3, [1, 2, 3, 2, 1]), (2, 4, [1, 2, 2, 2, 1]), (1, 1, [1])]
)
def test_a_mean_of_means_weighs_bars_by_how_often_they_count(period: int, again: int, weights: list[int]) -> None:
    assert Layer.mean_weights(period, again) == weights


def test_the_cap_of_warm_bars_covers_the_slowest_indicator() -> None:
    layer = Layer(Config())

    slowest = max(indicator.warm_up for indicator in layer.catalog)
    assert slowest <= layer.warm_cap < slowest + CHUNK_BARS


def test_warm_ups_of_the_shipped_parameters() -> None:
    warm_up = {indicator.name: indicator.warm_up for indicator in catalog(Config().indicators)}

    assert warm_up["ema_12"] == 152
    assert (11 / 13) ** 152 <= 1e-11 < (11 / 13) ** 151
    assert warm_up["ema_200"] == 2533
    assert warm_up["macd_signal_12_26_9"] == 2 * warm_up["ema_26"]
    assert warm_up["rsi_14"] == 343
    assert warm_up["adx_14"] == 685
    assert warm_up["sma_20"] == 20
    assert warm_up["stochastic_d_14_3_3"] == 18
