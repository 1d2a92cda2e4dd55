"""HTTP: the page that shows candles, indicators and freshness, and the endpoints it reads."""
