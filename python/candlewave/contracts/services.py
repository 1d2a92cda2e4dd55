"""The services that candlewave runs, by the names of their commands, in the order that data take."""

SERVICES = (
    "trade-to-ohlc",
    "technical-indicators",
    "sentiment-extractor",
    "model-trainer",
    "price-predictor",
    "model-error-monitor",
    "predictions-api",
)
