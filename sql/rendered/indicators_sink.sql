-- indicators_sink: indicators of closed candles to topic technical_indicators, an amended row as a new value of its key.
-- grain: one message per new or amended row
-- keys: exchange, symbol, timeframe, open_time
-- event time: open_time
-- late data: an amended row is sent again
-- readers: any Kafka consumer
CREATE SINK indicators_sink FROM indicators
WITH (
    connector = 'kafka',
    topic = '${topic_prefix}technical_indicators',
    ${kafka_properties},
    primary_key = 'exchange,symbol,timeframe,open_time'
) FORMAT UPSERT ENCODE JSON;
