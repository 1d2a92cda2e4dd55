"""HTTP: forecasts, candles, indicators, features, sentiment and alerts as REST and live events, and the dashboard."""
