-- candles_sink: closed candles to topic candles, an amended candle as a new value of its key.
-- grain: one message per new or amended candle
-- keys: exchange, symbol, timeframe, open_time
-- event time: open_time
-- late data: an amended candle is sent again
-- readers: any Kafka consumer
CREATE SINK candles_sink FROM candles
WITH (
    connector = 'kafka',
    topic = '${topic_prefix}candles',
    ${kafka_properties},
    primary_key = 'exchange,symbol,timeframe,open_time'
) FORMAT UPSERT ENCODE JSON;
