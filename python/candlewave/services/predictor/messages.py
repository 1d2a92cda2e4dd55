"""Forecasts and the vectors they used as messages."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from candlewave.bus.messages import to_message
from candlewave.bus.protocol import Message
from candlewave.contracts.records import Prediction, PredictionInput
from candlewave.ml.forecaster import FeatureMatrix
from candlewave.services.predictor.forecast import Forecast
from candlewave.telemetry.tracing import Headers

HeadersOf = Callable[[str, str, datetime], Headers]
"""Returns the headers of messages about a candle: exchange, symbol, open time."""


def prediction_messages(
    forecasts: Iterable[Forecast], made_at: datetime, headers: HeadersOf | None = None
) -> list[Message]:
    """Return the messages of topic ``predictions``, in order."""
    return [
        to_message(
            Prediction(
                f.exchange,
                f.symbol,
                f.horizon_minutes,
                f.feature_time,
                f.target_time,
                f.model_name,
                f.model_version,
                f.role,
                *f.quantiles,
                *f.prices,
                f.reference_price,
                made_at,
            ),
            headers(f.exchange, f.symbol, f.feature_time) if headers else None,
        )
        for f in forecasts
    ]


def input_messages(
    matrix: FeatureMatrix, feature_set: str, made_at: datetime, headers: HeadersOf | None = None
) -> list[Message]:
    """Return the messages of topic ``prediction_inputs``: the vectors exactly as the models got them."""
    return [
        to_message(
            PredictionInput(
                exchange,
                symbol,
                when.replace(tzinfo=UTC),
                feature_set,
                dict(zip(matrix.names, row, strict=True)),
                made_at,
            ),
            headers(exchange, symbol, when.replace(tzinfo=UTC)) if headers else None,
        )
        for exchange, symbol, when, row in zip(
            matrix.exchange.tolist(),
            matrix.symbol.tolist(),
            matrix.open_time.astype("datetime64[us]").tolist(),
            matrix.values.tolist(),
            strict=True,
        )
    ]
