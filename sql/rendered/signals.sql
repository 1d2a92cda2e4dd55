-- signals: three plain rules on each closed candle and their majority: long, short or flat; NULL while an indicator is
--   NULL. A reading aid and a baseline for the models, not advice. trend: MACD histogram and directional indicators
--   agree and ADX is at least 25. reversion: RSI beyond 30/70 and the close outside its Bollinger band. breakout: the
--   close is outside its Keltner channel.
-- grain: one row per exchange, symbol, timeframe, whole bar
-- keys: exchange, symbol, timeframe, open_time
-- event time: open_time
-- late data: follows indicators
-- columns:
--   is_warm: all indicators behind it are warm
--   trend, reversion, breakout: long, short or flat by this rule
--   signal: majority of the three
-- footprint:
--   indicators by exchange, symbol, timeframe: open_time -> open_time [0, 0]
-- readers: predictions-api, dashboard
CREATE MATERIALIZED VIEW signals AS
WITH bars AS (
    SELECT
        exchange,
        symbol,
        timeframe,
        open_time,
        close_time,
        close,
        warm_bars,
        macd_hist_12_26_9 AS macd_hist,
        plus_di_14 AS plus_di,
        minus_di_14 AS minus_di,
        adx_14 AS adx,
        rsi_14 AS rsi,
        bollinger_percent_b_20 AS percent_b,
        keltner_upper_20_10 AS keltner_upper,
        keltner_lower_20_10 AS keltner_lower
    FROM indicators
),
votes AS (
    SELECT
        *,
        CASE
            WHEN macd_hist > 0 AND plus_di > minus_di AND adx >= 25 THEN 1
            WHEN macd_hist < 0 AND plus_di < minus_di AND adx >= 25 THEN -1
            WHEN macd_hist IS NOT NULL AND plus_di IS NOT NULL AND adx IS NOT NULL THEN 0
        END AS trend,
        CASE
            WHEN rsi < 30 AND percent_b < 0 THEN 1
            WHEN rsi > 70 AND percent_b > 1 THEN -1
            WHEN rsi IS NOT NULL AND percent_b IS NOT NULL THEN 0
        END AS reversion,
        CASE
            WHEN close > keltner_upper THEN 1
            WHEN close < keltner_lower THEN -1
            WHEN keltner_upper IS NOT NULL THEN 0
        END AS breakout
    FROM bars
)
SELECT
    exchange, symbol, timeframe, open_time, close_time,
    warm_bars >= 685 AS is_warm,
    CASE trend WHEN 1 THEN 'long' WHEN -1 THEN 'short' WHEN 0 THEN 'flat' END AS trend,
    CASE reversion WHEN 1 THEN 'long' WHEN -1 THEN 'short' WHEN 0 THEN 'flat' END AS reversion,
    CASE breakout WHEN 1 THEN 'long' WHEN -1 THEN 'short' WHEN 0 THEN 'flat' END AS breakout,
    CASE sign((trend + reversion + breakout)::double precision)::int WHEN 1 THEN 'long' WHEN -1 THEN 'short' WHEN 0 THEN 'flat' END AS signal
FROM votes;
