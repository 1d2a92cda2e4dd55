"""Settings of training that would do harm are refused."""

import pytest
from pydantic import ValidationError

from candlewave.ml.settings import TrainSettings


def test_no_model_may_have_the_baselines_name() -> None:
    with pytest.raises(ValidationError, match="'baseline' is the name of the last-price baseline; choose another"):
        TrainSettings(MODEL_NAME="baseline")  # type: ignore[call-arg]
