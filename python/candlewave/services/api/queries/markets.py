"""Markets, their ranges, prices and freshness."""

MARKETS = (
    "SELECT coalesce(f.exchange, s.exchange) AS exchange, coalesce(f.symbol, s.symbol) AS symbol, s.base, s.quote,"
    " f.last_ts, f.last_trade_ts"
    " FROM symbols AS s FULL JOIN feed_clock AS f ON s.exchange = f.exchange AND s.symbol = f.symbol"
    " ORDER BY 1, 2"
)
"""Every market that is configured or has data."""

RANGES = (
    "SELECT f.exchange, f.symbol, min(c.open_time) AS first_candle, max(c.open_time) AS last_candle"
    " FROM feed_clock AS f INNER JOIN candles AS c ON c.exchange = f.exchange AND c.symbol = f.symbol"
    " WHERE c.timeframe = '1m' GROUP BY f.exchange, f.symbol"
)
"""On RisingWave, which reads all candles for it; hence kept for a minute."""

RANGES_BY_INDEX = (
    "SELECT f.exchange, f.symbol,"
    " (SELECT min(c.open_time) FROM candles AS c WHERE c.exchange = f.exchange AND c.symbol = f.symbol"
    "  AND c.timeframe = '1m') AS first_candle,"
    " (SELECT max(c.open_time) FROM candles AS c WHERE c.exchange = f.exchange AND c.symbol = f.symbol"
    "  AND c.timeframe = '1m') AS last_candle"
    " FROM feed_clock AS f"
)
"""On PostgreSQL: two looks into the index per market."""

PRICES = (
    "SELECT c.exchange, c.symbol, c.close AS last_price FROM feed_clock AS f"
    " INNER JOIN candles_1m_live AS c ON c.exchange = f.exchange AND c.symbol = f.symbol"
    "  AND c.open_time = date_trunc('minute', f.last_trade_ts, 'UTC')"
)
"""Newest price of each market, found by the whole key."""

_RECENT = (
    " FROM market_clock AS m CROSS JOIN feed_clock AS f INNER JOIN {view} AS v"
    "  ON v.exchange = f.exchange AND v.symbol = f.symbol AND v.open_time >= m.closed_until - INTERVAL '10 minutes'"
)

FRESHNESS = (
    "SELECT 'trades' AS layer, max(last_ts) AS newest, 1 AS place FROM feed_clock"
    f" UNION ALL SELECT 'candles', max(v.close_time), 2{_RECENT.format(view='candles')} WHERE v.timeframe = '1m'"
    f" UNION ALL SELECT 'indicators', max(v.close_time), 3{_RECENT.format(view='indicators')} WHERE v.timeframe = '1m'"
    f" UNION ALL SELECT 'features', max(v.close_time), 4{_RECENT.format(view='features')}"
    " UNION ALL SELECT 'sentiment', max(scored_at), 5 FROM news_sentiment"
    " UNION ALL SELECT 'predictions', max(feature_time) + INTERVAL '1 minute', 6 FROM served_predictions"
    " UNION ALL SELECT 'closed_until', max(closed_until), 7 FROM market_clock"
    " ORDER BY place"
)
"""Newest event of each layer; what is older than ten minutes behind the clock counts as nothing."""
