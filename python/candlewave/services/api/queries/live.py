"""What is new, for live events."""

CLOCK = "SELECT closed_until FROM market_clock"

_BAR = (
    "exchange, symbol, timeframe, open_time, close_time, open, high, low, close, volume, turnover, trades, buy_volume"
)

OPEN_BARS = (
    f"SELECT {_BAR}, true AS is_open, NULL::boolean AS is_filled, NULL::varchar AS feed_state,"
    " NULL::timestamptz AS amended_at FROM candles_live WHERE is_open ORDER BY exchange, symbol, timeframe"
)

CLOSED_BARS = (
    f"SELECT {', '.join(f'c.{name}' for name in _BAR.split(', '))}, false AS is_open, c.is_filled, c.feed_state,"
    " c.amended_at"
    " FROM feed_clock AS f INNER JOIN candles AS c ON c.exchange = f.exchange AND c.symbol = f.symbol"
    " WHERE c.close_time > %s AND c.close_time <= %s AND c.open_time >= %s"
    " ORDER BY c.close_time, c.exchange, c.symbol, c.timeframe"
)
"""Bars that closed after one moment and by another; the third bounds their open times, for the index."""

ALERTS = (
    "SELECT fingerprint, rule, severity, labels, value, status, occurred_at FROM alerts WHERE occurred_at > %s"
    " ORDER BY occurred_at, fingerprint"
)
