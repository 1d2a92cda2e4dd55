"""Forecasts and the vectors they used as messages."""

from collections.abc import Iterable
from datetime import UTC, datetime

import msgspec

from candlewave.bus.messages import Time, encode, market_key
from candlewave.bus.protocol import Message
from candlewave.ml.forecaster import FeatureMatrix
from candlewave.services.predictor.forecast import Forecast


class Prediction(msgspec.Struct, frozen=True, gc=False):
    """A record of topic ``predictions``."""

    exchange: str
    symbol: str
    horizon_minutes: int
    feature_time: Time
    target_time: Time
    model_name: str
    model_version: str
    role: str
    q10: float
    q50: float
    q90: float
    price_q10: float
    price_q50: float
    price_q90: float
    reference_price: float
    made_at: Time


class PredictionInput(msgspec.Struct, frozen=True, gc=False):
    """A record of topic ``prediction_inputs``."""

    exchange: str
    symbol: str
    feature_time: Time
    feature_set: str
    values: dict[str, float | None]
    made_at: Time


def prediction_messages(
    forecasts: Iterable[Forecast], made_at: datetime, headers: dict[str, str] | None
) -> list[Message]:
    """Return the messages of topic ``predictions``, in order."""
    return [
        Message(
            encode(
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
                )
            ),
            market_key(f.exchange, f.symbol),
            headers,
        )
        for f in forecasts
    ]


def input_messages(
    matrix: FeatureMatrix, feature_set: str, made_at: datetime, headers: dict[str, str] | None
) -> list[Message]:
    """Return the messages of topic ``prediction_inputs``: the vectors exactly as the models got them."""
    return [
        Message(
            encode(
                PredictionInput(
                    exchange,
                    symbol,
                    when.replace(tzinfo=UTC),
                    feature_set,
                    dict(zip(matrix.names, row, strict=True)),
                    made_at,
                )
            ),
            market_key(exchange, symbol),
            headers,
        )
        for exchange, symbol, when, row in zip(
            matrix.exchange.tolist(),
            matrix.symbol.tolist(),
            matrix.open_time.astype("datetime64[us]").tolist(),
            matrix.values.tolist(),
            strict=True,
        )
    ]
