"""SQL behind the endpoints: bound parameters only, the same text for RisingWave and the embedded engine."""

from candlewave.config import Config

SYMBOLS = "SELECT exchange, symbol, last_ts, last_trade_ts FROM feed_clock ORDER BY exchange, symbol"

FRESHNESS = (
    "SELECT 'trades' AS layer, max(last_ts) AS newest FROM feed_clock"
    " UNION ALL SELECT 'candles', max(close_time) FROM candles"
    "  WHERE timeframe = '1m' AND open_time >= (SELECT closed_until - INTERVAL '10 minutes' FROM market_clock)"
    " UNION ALL SELECT 'indicators', max(open_time) + INTERVAL '1 minute' FROM indicators"
    "  WHERE timeframe = '1m' AND open_time >= (SELECT closed_until - INTERVAL '10 minutes' FROM market_clock)"
)


def candles(config: Config) -> str:
    """Return the query for the newest bars of one market and timeframe, the open bar included, oldest first.

    Parameters: exchange, symbol, timeframe, number of bars. The page's two indicators are the shortest configured EMA
    and RSI; they are NULL for the open bar.
    """
    return (
        "SELECT c.open_time, c.open, c.high, c.low, c.close, c.volume, c.trades, c.is_open,"
        f" i.ema_{config.indicators.ema[0]} AS ema, i.rsi_{config.indicators.rsi} AS rsi FROM ("
        "  SELECT exchange, symbol, timeframe, open_time, open, high, low, close, volume, trades, is_open"
        "  FROM candles_live WHERE exchange = %s AND symbol = %s AND timeframe = %s"
        "  ORDER BY open_time DESC LIMIT %s) AS c"
        " LEFT JOIN indicators AS i ON i.exchange = c.exchange AND i.symbol = c.symbol"
        "  AND i.timeframe = c.timeframe AND i.open_time = c.open_time"
        " ORDER BY c.open_time"
    )
