-- indicator_catalog: what each column of indicators means: unit, parameters, bars needed and bars until warm, definition.
-- grain: one row per indicator column
-- keys: name
-- event time: none
-- late data: none
-- columns:
--   kind: how it remembers: window, exponential or running
--   unit: price, bounded, ratio or volume
--   parameters: as JSON
--   needs: bars before there is a value
--   warm_up: bars after which the value does not depend on where history began
--   talib: function of TA-Lib that defines it, if any
--   source: who defined it
--   note: what is peculiar, above all where TA-Lib differs
-- readers: predictions-api, people
CREATE VIEW indicator_catalog AS
SELECT
    'sma_20' AS name,
    'window' AS kind,
    'price' AS unit,
    '{"period": 20}' AS parameters,
    20 AS needs,
    20 AS warm_up,
    'SMA' AS talib,
    'TA-Lib SMA' AS source,
    '' AS note
UNION ALL
SELECT
    'sma_50' AS name,
    'window' AS kind,
    'price' AS unit,
    '{"period": 50}' AS parameters,
    50 AS needs,
    50 AS warm_up,
    'SMA' AS talib,
    'TA-Lib SMA' AS source,
    '' AS note
UNION ALL
SELECT
    'ema_12' AS name,
    'exponential' AS kind,
    'price' AS unit,
    '{"period": 12}' AS parameters,
    1 AS needs,
    152 AS warm_up,
    'EMA' AS talib,
    'TA-Lib EMA' AS source,
    'Weighs all bars from the first one on; TA-Lib starts with a simple mean, the same once warm.' AS note
UNION ALL
SELECT
    'ema_26' AS name,
    'exponential' AS kind,
    'price' AS unit,
    '{"period": 26}' AS parameters,
    1 AS needs,
    330 AS warm_up,
    'EMA' AS talib,
    'TA-Lib EMA' AS source,
    'Weighs all bars from the first one on; TA-Lib starts with a simple mean, the same once warm.' AS note
UNION ALL
SELECT
    'ema_50' AS name,
    'exponential' AS kind,
    'price' AS unit,
    '{"period": 50}' AS parameters,
    1 AS needs,
    634 AS warm_up,
    'EMA' AS talib,
    'TA-Lib EMA' AS source,
    'Weighs all bars from the first one on; TA-Lib starts with a simple mean, the same once warm.' AS note
UNION ALL
SELECT
    'ema_200' AS name,
    'exponential' AS kind,
    'price' AS unit,
    '{"period": 200}' AS parameters,
    1 AS needs,
    2533 AS warm_up,
    'EMA' AS talib,
    'TA-Lib EMA' AS source,
    'Weighs all bars from the first one on; TA-Lib starts with a simple mean, the same once warm.' AS note
UNION ALL
SELECT
    'wma_20' AS name,
    'window' AS kind,
    'price' AS unit,
    '{"period": 20}' AS parameters,
    20 AS needs,
    20 AS warm_up,
    'WMA' AS talib,
    'TA-Lib WMA' AS source,
    '' AS note
UNION ALL
SELECT
    'dema_20' AS name,
    'exponential' AS kind,
    'price' AS unit,
    '{"period": 20}' AS parameters,
    1 AS needs,
    508 AS warm_up,
    'DEMA' AS talib,
    'TA-Lib DEMA' AS source,
    'Weighs all bars from the first one on; TA-Lib starts with a simple mean, the same once warm.' AS note
UNION ALL
SELECT
    'tema_20' AS name,
    'exponential' AS kind,
    'price' AS unit,
    '{"period": 20}' AS parameters,
    1 AS needs,
    508 AS warm_up,
    'TEMA' AS talib,
    'TA-Lib TEMA' AS source,
    'Weighs all bars from the first one on; TA-Lib starts with a simple mean, the same once warm.' AS note
UNION ALL
SELECT
    'macd_12_26_9' AS name,
    'exponential' AS kind,
    'price' AS unit,
    '{"fast": 12, "slow": 26, "signal": 9}' AS parameters,
    1 AS needs,
    330 AS warm_up,
    'MACD' AS talib,
    'TA-Lib MACD (Appel)' AS source,
    'Weighs all bars from the first one on; TA-Lib starts with a simple mean, the same once warm.' AS note
UNION ALL
SELECT
    'macd_signal_12_26_9' AS name,
    'exponential' AS kind,
    'price' AS unit,
    '{"fast": 12, "slow": 26, "signal": 9}' AS parameters,
    1 AS needs,
    660 AS warm_up,
    'MACD' AS talib,
    'TA-Lib MACD (Appel)' AS source,
    'Weighs all bars from the first one on; TA-Lib starts with a simple mean, the same once warm.' AS note
UNION ALL
SELECT
    'macd_hist_12_26_9' AS name,
    'exponential' AS kind,
    'price' AS unit,
    '{"fast": 12, "slow": 26, "signal": 9}' AS parameters,
    1 AS needs,
    660 AS warm_up,
    'MACD' AS talib,
    'TA-Lib MACD (Appel)' AS source,
    'Weighs all bars from the first one on; TA-Lib starts with a simple mean, the same once warm.' AS note
UNION ALL
SELECT
    'rsi_14' AS name,
    'exponential' AS kind,
    'bounded' AS unit,
    '{"period": 14}' AS parameters,
    2 AS needs,
    343 AS warm_up,
    'RSI' AS talib,
    'TA-Lib RSI (Wilder)' AS source,
    'NULL when neither gain nor loss is remembered; TA-Lib gives 0.' AS note
UNION ALL
SELECT
    'stoch_rsi_k_14_3_3' AS name,
    'exponential' AS kind,
    'bounded' AS unit,
    '{"rsi": 14, "period": 14, "k": 3, "d": 3}' AS parameters,
    17 AS needs,
    358 AS warm_up,
    'STOCHRSI' AS talib,
    'TA-Lib STOCHRSI (Chande, Kroll)' AS source,
    'NULL when RSI moves by at most 1e-7. k is TA-Lib''s fastd; d averages k once more.' AS note
UNION ALL
SELECT
    'stoch_rsi_d_14_3_3' AS name,
    'exponential' AS kind,
    'bounded' AS unit,
    '{"rsi": 14, "period": 14, "k": 3, "d": 3}' AS parameters,
    19 AS needs,
    360 AS warm_up,
    'STOCHRSI' AS talib,
    'TA-Lib STOCHRSI (Chande, Kroll)' AS source,
    'NULL when RSI moves by at most 1e-7. k is TA-Lib''s fastd; d averages k once more.' AS note
UNION ALL
SELECT
    'stochastic_k_14_3_3' AS name,
    'window' AS kind,
    'bounded' AS unit,
    '{"k": 14, "smooth": 3, "d": 3}' AS parameters,
    16 AS needs,
    16 AS warm_up,
    'STOCH' AS talib,
    'TA-Lib STOCH (Lane)' AS source,
    'NULL when the window''s range is zero; TA-Lib gives 0.' AS note
UNION ALL
SELECT
    'stochastic_d_14_3_3' AS name,
    'window' AS kind,
    'bounded' AS unit,
    '{"k": 14, "smooth": 3, "d": 3}' AS parameters,
    18 AS needs,
    18 AS warm_up,
    'STOCH' AS talib,
    'TA-Lib STOCH (Lane)' AS source,
    'NULL when the window''s range is zero; TA-Lib gives 0.' AS note
UNION ALL
SELECT
    'cci_20' AS name,
    'window' AS kind,
    'bounded' AS unit,
    '{"period": 20}' AS parameters,
    20 AS needs,
    20 AS warm_up,
    'CCI' AS talib,
    'TA-Lib CCI (Lambert)' AS source,
    'Unbounded in theory; most values lie within 100 of 0. NULL on a flat window; TA-Lib gives 0.' AS note
UNION ALL
SELECT
    'roc_10' AS name,
    'window' AS kind,
    'ratio' AS unit,
    '{"period": 10}' AS parameters,
    11 AS needs,
    11 AS warm_up,
    'ROC' AS talib,
    'TA-Lib ROC' AS source,
    'In percent.' AS note
UNION ALL
SELECT
    'mom_10' AS name,
    'window' AS kind,
    'price' AS unit,
    '{"period": 10}' AS parameters,
    11 AS needs,
    11 AS warm_up,
    'MOM' AS talib,
    'TA-Lib MOM' AS source,
    '' AS note
UNION ALL
SELECT
    'williams_r_14' AS name,
    'window' AS kind,
    'bounded' AS unit,
    '{"period": 14}' AS parameters,
    14 AS needs,
    14 AS warm_up,
    'WILLR' AS talib,
    'TA-Lib WILLR (Williams)' AS source,
    'NULL when the window''s range is zero; TA-Lib gives 0.' AS note
UNION ALL
SELECT
    'adx_14' AS name,
    'exponential' AS kind,
    'bounded' AS unit,
    '{"period": 14}' AS parameters,
    2 AS needs,
    685 AS warm_up,
    'ADX' AS talib,
    'TA-Lib ADX (Wilder)' AS source,
    'Bars without any directional movement in memory add nothing.' AS note
UNION ALL
SELECT
    'plus_di_14' AS name,
    'exponential' AS kind,
    'bounded' AS unit,
    '{"period": 14}' AS parameters,
    2 AS needs,
    343 AS warm_up,
    'PLUS_DI' AS talib,
    'TA-Lib PLUS_DI (Wilder)' AS source,
    'NULL when the remembered range is zero; TA-Lib gives 0.' AS note
UNION ALL
SELECT
    'minus_di_14' AS name,
    'exponential' AS kind,
    'bounded' AS unit,
    '{"period": 14}' AS parameters,
    2 AS needs,
    343 AS warm_up,
    'MINUS_DI' AS talib,
    'TA-Lib MINUS_DI (Wilder)' AS source,
    'NULL when the remembered range is zero; TA-Lib gives 0.' AS note
UNION ALL
SELECT
    'bollinger_upper_20' AS name,
    'window' AS kind,
    'price' AS unit,
    '{"period": 20, "deviations": 2.0}' AS parameters,
    20 AS needs,
    20 AS warm_up,
    'BBANDS' AS talib,
    'TA-Lib BBANDS (Bollinger)' AS source,
    'Population standard deviation, exactly 0 on a flat window.' AS note
UNION ALL
SELECT
    'bollinger_middle_20' AS name,
    'window' AS kind,
    'price' AS unit,
    '{"period": 20, "deviations": 2.0}' AS parameters,
    20 AS needs,
    20 AS warm_up,
    'BBANDS' AS talib,
    'TA-Lib BBANDS (Bollinger)' AS source,
    '' AS note
UNION ALL
SELECT
    'bollinger_lower_20' AS name,
    'window' AS kind,
    'price' AS unit,
    '{"period": 20, "deviations": 2.0}' AS parameters,
    20 AS needs,
    20 AS warm_up,
    'BBANDS' AS talib,
    'TA-Lib BBANDS (Bollinger)' AS source,
    'Population standard deviation, exactly 0 on a flat window.' AS note
UNION ALL
SELECT
    'bollinger_width_20' AS name,
    'window' AS kind,
    'ratio' AS unit,
    '{"period": 20, "deviations": 2.0}' AS parameters,
    20 AS needs,
    20 AS warm_up,
    NULL::varchar AS talib,
    'TA-Lib BBANDS (Bollinger)' AS source,
    '(upper - lower) / middle.' AS note
UNION ALL
SELECT
    'bollinger_percent_b_20' AS name,
    'window' AS kind,
    'ratio' AS unit,
    '{"period": 20, "deviations": 2.0}' AS parameters,
    20 AS needs,
    20 AS warm_up,
    NULL::varchar AS talib,
    'TA-Lib BBANDS (Bollinger)' AS source,
    '(close - lower) / (upper - lower); NULL on a flat window.' AS note
UNION ALL
SELECT
    'atr_14' AS name,
    'exponential' AS kind,
    'price' AS unit,
    '{"period": 14}' AS parameters,
    2 AS needs,
    343 AS warm_up,
    'ATR' AS talib,
    'TA-Lib ATR (Wilder)' AS source,
    'The first bar after a hole has no previous close and therefore no true range.' AS note
UNION ALL
SELECT
    'natr_14' AS name,
    'exponential' AS kind,
    'ratio' AS unit,
    '{"period": 14}' AS parameters,
    2 AS needs,
    343 AS warm_up,
    'NATR' AS talib,
    'TA-Lib NATR' AS source,
    'In percent.' AS note
UNION ALL
SELECT
    'keltner_upper_20_10' AS name,
    'exponential' AS kind,
    'price' AS unit,
    '{"ema": 20, "atr": 10, "multiplier": 2.0}' AS parameters,
    2 AS needs,
    254 AS warm_up,
    NULL::varchar AS talib,
    'EMA of closes and Wilder''s ATR (Raschke''s form of Keltner''s channel)' AS source,
    '' AS note
UNION ALL
SELECT
    'keltner_middle_20_10' AS name,
    'exponential' AS kind,
    'price' AS unit,
    '{"ema": 20, "atr": 10, "multiplier": 2.0}' AS parameters,
    1 AS needs,
    254 AS warm_up,
    NULL::varchar AS talib,
    'EMA of closes and Wilder''s ATR (Raschke''s form of Keltner''s channel)' AS source,
    '' AS note
UNION ALL
SELECT
    'keltner_lower_20_10' AS name,
    'exponential' AS kind,
    'price' AS unit,
    '{"ema": 20, "atr": 10, "multiplier": 2.0}' AS parameters,
    2 AS needs,
    254 AS warm_up,
    NULL::varchar AS talib,
    'EMA of closes and Wilder''s ATR (Raschke''s form of Keltner''s channel)' AS source,
    '' AS note
UNION ALL
SELECT
    'donchian_upper_20' AS name,
    'window' AS kind,
    'price' AS unit,
    '{"period": 20}' AS parameters,
    20 AS needs,
    20 AS warm_up,
    'MAX' AS talib,
    'TA-Lib MAX of highs (Donchian)' AS source,
    '' AS note
UNION ALL
SELECT
    'donchian_middle_20' AS name,
    'window' AS kind,
    'price' AS unit,
    '{"period": 20}' AS parameters,
    20 AS needs,
    20 AS warm_up,
    NULL::varchar AS talib,
    'mean of upper and lower (Donchian)' AS source,
    '' AS note
UNION ALL
SELECT
    'donchian_lower_20' AS name,
    'window' AS kind,
    'price' AS unit,
    '{"period": 20}' AS parameters,
    20 AS needs,
    20 AS warm_up,
    'MIN' AS talib,
    'TA-Lib MIN of lows (Donchian)' AS source,
    '' AS note
UNION ALL
SELECT
    'obv' AS name,
    'running' AS kind,
    'volume' AS unit,
    '{}' AS parameters,
    2 AS needs,
    2 AS warm_up,
    'OBV' AS talib,
    'TA-Lib OBV (Granville)' AS source,
    'Restarts at 00:00 UTC; TA-Lib runs on. A bar without a previous close adds nothing.' AS note
UNION ALL
SELECT
    'vwap_60' AS name,
    'window' AS kind,
    'price' AS unit,
    '{"period": 60}' AS parameters,
    60 AS needs,
    60 AS warm_up,
    NULL::varchar AS talib,
    'sum of turnover / sum of volume' AS source,
    'NULL when nothing was traded in the window.' AS note
UNION ALL
SELECT
    'mfi_14' AS name,
    'window' AS kind,
    'bounded' AS unit,
    '{"period": 14}' AS parameters,
    15 AS needs,
    15 AS warm_up,
    'MFI' AS talib,
    'TA-Lib MFI (Quong, Soudack)' AS source,
    'NULL when no money flowed; TA-Lib gives 0 below 1 unit of quote currency.' AS note
UNION ALL
SELECT
    'cmf_20' AS name,
    'window' AS kind,
    'ratio' AS unit,
    '{"period": 20}' AS parameters,
    20 AS needs,
    20 AS warm_up,
    NULL::varchar AS talib,
    'Chaikin money flow' AS source,
    'A bar whose high equals its low counts as no flow; NULL when nothing was traded in the window.' AS note
UNION ALL
SELECT
    'order_flow_20' AS name,
    'window' AS kind,
    'ratio' AS unit,
    '{"period": 20}' AS parameters,
    20 AS needs,
    20 AS warm_up,
    NULL::varchar AS talib,
    'taker buy volume / volume' AS source,
    '0.5 is balance. Bars whose buy volume is unknown count in neither sum.' AS note
UNION ALL
SELECT
    'log_return' AS name,
    'window' AS kind,
    'ratio' AS unit,
    '{}' AS parameters,
    2 AS needs,
    2 AS warm_up,
    NULL::varchar AS talib,
    'ln(close / previous close)' AS source,
    '' AS note
UNION ALL
SELECT
    'realised_volatility_60' AS name,
    'window' AS kind,
    'ratio' AS unit,
    '{"period": 60}' AS parameters,
    61 AS needs,
    61 AS warm_up,
    NULL::varchar AS talib,
    'square root of the sum of squared log returns (Andersen, Bollerslev 1998)' AS source,
    'Of the window, not annualised.' AS note
UNION ALL
SELECT
    'return_zscore_60' AS name,
    'window' AS kind,
    'ratio' AS unit,
    '{"period": 60}' AS parameters,
    61 AS needs,
    61 AS warm_up,
    NULL::varchar AS talib,
    '(log return - mean) / population standard deviation' AS source,
    'NULL when all returns of the window are equal.' AS note
UNION ALL
SELECT
    'amihud_60' AS name,
    'window' AS kind,
    'ratio' AS unit,
    '{"period": 60}' AS parameters,
    61 AS needs,
    61 AS warm_up,
    NULL::varchar AS talib,
    'mean of |log return| per million of turnover (Amihud 2002)' AS source,
    'Bars without turnover do not count.' AS note;
