"""Lets MLflow itself load a registered model: ``mlflow.pyfunc.load_model("models:/candlewave@champion")``."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from candlewave.ml.forecaster import QUANTILES, FeatureMatrix
from candlewave.ml.model import QuantileModel, load_model

if TYPE_CHECKING:
    import pandas


class FrameForecaster:
    """Takes a data frame of exchange, symbol and features; gives a column of log returns per horizon and quantile."""

    def __init__(self, model: QuantileModel) -> None:
        self._model = model

    def predict(self, frame: "pandas.DataFrame") -> "pandas.DataFrame":
        """Forecast each row."""
        import pandas

        names = self._model.feature_names
        count = len(frame)
        matrix = FeatureMatrix(
            frame["exchange"].to_numpy(object),
            frame["symbol"].to_numpy(object),
            np.zeros(count, "datetime64[us]"),
            np.ones(count),
            names,
            frame[list(names)].to_numpy(np.float64),
        )
        answers = self._model.predict(matrix).reshape(count, -1)
        columns = [f"q{round(100 * q)}_{h}m" for h in self._model.horizons_minutes for q in QUANTILES]
        return pandas.DataFrame(answers, columns=columns, index=frame.index)


def _load_pyfunc(path: str) -> FrameForecaster:
    return FrameForecaster(load_model(Path(path)))
