"""The identity of the features."""

import pytest

from candlewave.core.config import Config
from candlewave.sqlproject.catalog.features import FeatureCatalog

SHIPPED = FeatureCatalog(Config())


@pytest.mark.parametrize(
    "indicators",
    [
        {"rsi": 21},
        {"macd": {"fast": 10, "slow": 26, "signal": 9}},
        {"stochastic": {"k": 14, "smooth": 5, "d": 3}},
        {"keltner": {"ema": 30, "atr": 10, "multiplier": 2.0}},
        {"atr": 20},
    ],
)
def test_other_periods_are_another_set_of_features_even_behind_the_same_names(indicators: dict[str, object]) -> None:
    other = FeatureCatalog(Config.model_validate({"indicators": indicators}))
    assert other.set_id != SHIPPED.set_id


def test_what_features_do_not_depend_on_leaves_the_set_as_it_is() -> None:
    other = Config.model_validate({"predictions": {"horizons_minutes": [1]}, "indicators": {"sma": [7]}})
    assert FeatureCatalog(other).set_id == SHIPPED.set_id
