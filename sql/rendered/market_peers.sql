-- market_peers: peer_minutes for each market that has peers, without itself and without those that are none of its own.
-- grain: one row per exchange, symbol with peers, minute in which any market that is a peer has a bar
-- keys: exchange, symbol, timeframe, open_time
-- event time: open_time
-- late data: follows peer_minutes
-- columns:
--   timeframe: always 1m
--   peers_missing: share of the market's peers that have no bar of the minute
--   others: feature of the peer's bar; NULL when it has none or is no peer of this market
-- footprint:
--   peer_minutes by timeframe: open_time -> open_time [0, 0]
-- readers: features
CREATE MATERIALIZED VIEW market_peers AS
WITH spread AS (
    SELECT *, unnest(ARRAY['kraken|ETH/USD', 'kraken|SOL/USD']) AS market
    FROM peer_minutes
)
SELECT
    split_part(market, '|', 1) AS exchange,
    split_part(market, '|', 2) AS symbol,
    timeframe,
    open_time,
    CASE WHEN market IN ('kraken|ETH/USD', 'kraken|SOL/USD') THEN peer_kraken_btc_usd_return_1 END AS peer_kraken_btc_usd_return_1,
    CASE WHEN market IN ('kraken|ETH/USD', 'kraken|SOL/USD') THEN peer_kraken_btc_usd_return_1_lag_1 END AS peer_kraken_btc_usd_return_1_lag_1,
    CASE WHEN market IN ('kraken|ETH/USD', 'kraken|SOL/USD') THEN peer_kraken_btc_usd_return_1_lag_2 END AS peer_kraken_btc_usd_return_1_lag_2,
    CASE WHEN market IN ('kraken|ETH/USD', 'kraken|SOL/USD') THEN peer_kraken_btc_usd_return_5 END AS peer_kraken_btc_usd_return_5,
    CASE WHEN market IN ('kraken|ETH/USD', 'kraken|SOL/USD') THEN peer_kraken_btc_usd_return_15 END AS peer_kraken_btc_usd_return_15,
    CASE WHEN market IN ('kraken|ETH/USD', 'kraken|SOL/USD') THEN peer_kraken_btc_usd_return_60 END AS peer_kraken_btc_usd_return_60,
    CASE WHEN market IN ('kraken|ETH/USD', 'kraken|SOL/USD') THEN peer_kraken_btc_usd_volatility_60 END AS peer_kraken_btc_usd_volatility_60,
    CASE WHEN market IN ('kraken|ETH/USD', 'kraken|SOL/USD') THEN peer_kraken_btc_usd_natr_14 END AS peer_kraken_btc_usd_natr_14,
    CASE WHEN market IN ('kraken|ETH/USD', 'kraken|SOL/USD') THEN peer_kraken_btc_usd_order_flow_20 END AS peer_kraken_btc_usd_order_flow_20,
    CASE WHEN market IN ('kraken|ETH/USD', 'kraken|SOL/USD') THEN peer_kraken_btc_usd_order_flow_1 END AS peer_kraken_btc_usd_order_flow_1,
    CASE WHEN market IN ('kraken|ETH/USD', 'kraken|SOL/USD') THEN peer_kraken_btc_usd_ema_12_gap END AS peer_kraken_btc_usd_ema_12_gap,
    CASE WHEN market IN ('kraken|ETH/USD', 'kraken|SOL/USD') THEN peer_kraken_btc_usd_ema_26_gap END AS peer_kraken_btc_usd_ema_26_gap,
    CASE WHEN market IN ('kraken|ETH/USD', 'kraken|SOL/USD') THEN peer_kraken_btc_usd_ema_50_gap END AS peer_kraken_btc_usd_ema_50_gap,
    CASE WHEN market IN ('kraken|ETH/USD', 'kraken|SOL/USD') THEN peer_kraken_btc_usd_ema_200_gap END AS peer_kraken_btc_usd_ema_200_gap,
    1 - (
        CASE WHEN market IN ('kraken|ETH/USD', 'kraken|SOL/USD') THEN has_peer_kraken_btc_usd ELSE 0 END
    ) / greatest(
        1,
        CASE WHEN market IN ('kraken|ETH/USD', 'kraken|SOL/USD') THEN 1 ELSE 0 END
    )::double precision AS peers_missing
FROM spread;
