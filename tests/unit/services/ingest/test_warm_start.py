"""How much history a first training needs."""

from datetime import timedelta

import pytest

from candlewave.ml.settings import TrainSettings
from candlewave.services.ingest.exchanges.profiles import PROFILES
from candlewave.services.ingest.warm_start import enough


@pytest.mark.parametrize("exchange", sorted(PROFILES))
def test_it_is_enough_for_the_shipped_training_and_an_hour_of_warm_up(exchange: str) -> None:
    needed = TrainSettings.model_fields["min_history_minutes"].default
    assert enough(exchange) >= timedelta(minutes=needed, hours=1)


def test_little_is_loaded_where_it_comes_as_single_trades() -> None:
    assert enough("kraken") == timedelta(hours=27)
    assert enough("coinbase") == enough("binance") == timedelta(days=3)
