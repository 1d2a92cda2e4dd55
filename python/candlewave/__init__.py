"""Candlewave: SQL-first streaming candles, indicators and price forecasts on RisingWave."""

__version__ = "0.1.0"
