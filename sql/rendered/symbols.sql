-- symbols: the markets that are known, with their base and quote assets; filled from candlewave.toml and by replay.
-- grain: one row per exchange, symbol
-- keys: exchange, symbol
-- event time: none
-- late data: not applicable
-- columns:
--   base, quote: assets of the market: base is priced in quote
--   kind: spot, swap (perpetual contract), future or option, as the symbol says; NULL where it does not
-- readers: predictions-api, symbol_sentiment, sentiment_assets
CREATE TABLE symbols (
    exchange VARCHAR,
    symbol VARCHAR,
    base VARCHAR,
    quote VARCHAR,
    kind VARCHAR,
    PRIMARY KEY (exchange, symbol)
);
