-- peer_minutes: what other markets take of each market's closed minute, all peers side by side: only its bar of that very
--   minute, found by its time. Which markets are peers says table features.peers of the configuration.
-- grain: one row per closed minute of any peer
-- keys: timeframe, open_time
-- event time: open_time
-- late data: follows bar_features
-- columns:
--   timeframe: always 1m
--   others: feature of the peer's bar, NULL when it has none; or 1 when the peer has a bar, else 0
-- footprint:
--   bar_features by timeframe: open_time -> open_time [0, 0]
-- readers: market_peers
CREATE MATERIALIZED VIEW peer_minutes AS
WITH peers AS (
    SELECT *
    FROM bar_features
    WHERE timeframe = '1m' AND ((exchange = 'kraken' AND symbol = 'BTC/USD'))
)
SELECT
    timeframe,
    open_time,
    max(CASE WHEN exchange = 'kraken' AND symbol = 'BTC/USD' THEN return_1 END) AS peer_kraken_btc_usd_return_1,
    max(CASE WHEN exchange = 'kraken' AND symbol = 'BTC/USD' THEN return_1_lag_1 END) AS peer_kraken_btc_usd_return_1_lag_1,
    max(CASE WHEN exchange = 'kraken' AND symbol = 'BTC/USD' THEN return_1_lag_2 END) AS peer_kraken_btc_usd_return_1_lag_2,
    max(CASE WHEN exchange = 'kraken' AND symbol = 'BTC/USD' THEN return_5 END) AS peer_kraken_btc_usd_return_5,
    max(CASE WHEN exchange = 'kraken' AND symbol = 'BTC/USD' THEN return_15 END) AS peer_kraken_btc_usd_return_15,
    max(CASE WHEN exchange = 'kraken' AND symbol = 'BTC/USD' THEN return_60 END) AS peer_kraken_btc_usd_return_60,
    max(CASE WHEN exchange = 'kraken' AND symbol = 'BTC/USD' THEN volatility_60 END) AS peer_kraken_btc_usd_volatility_60,
    max(CASE WHEN exchange = 'kraken' AND symbol = 'BTC/USD' THEN natr_14 END) AS peer_kraken_btc_usd_natr_14,
    max(CASE WHEN exchange = 'kraken' AND symbol = 'BTC/USD' THEN order_flow_20 END) AS peer_kraken_btc_usd_order_flow_20,
    max(CASE WHEN exchange = 'kraken' AND symbol = 'BTC/USD' THEN order_flow_1 END) AS peer_kraken_btc_usd_order_flow_1,
    max(CASE WHEN exchange = 'kraken' AND symbol = 'BTC/USD' THEN ema_12_gap END) AS peer_kraken_btc_usd_ema_12_gap,
    max(CASE WHEN exchange = 'kraken' AND symbol = 'BTC/USD' THEN ema_26_gap END) AS peer_kraken_btc_usd_ema_26_gap,
    max(CASE WHEN exchange = 'kraken' AND symbol = 'BTC/USD' THEN ema_50_gap END) AS peer_kraken_btc_usd_ema_50_gap,
    max(CASE WHEN exchange = 'kraken' AND symbol = 'BTC/USD' THEN ema_200_gap END) AS peer_kraken_btc_usd_ema_200_gap,
    max(CASE WHEN exchange = 'kraken' AND symbol = 'BTC/USD' THEN 1 ELSE 0 END) AS has_peer_kraken_btc_usd,
    count(*) AS peers
FROM peers
GROUP BY timeframe, open_time;
