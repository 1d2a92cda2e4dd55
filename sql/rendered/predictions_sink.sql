-- predictions_sink: forecasts to Elasticsearch, into the index of their day.
-- grain: one document per forecast
-- keys: exchange, symbol, horizon_minutes, feature_time, model_name, model_version
-- event time: feature_time
-- late data: follows prediction_documents
-- readers: predictions-api, people
CREATE SINK predictions_sink FROM prediction_documents
WITH (
    connector = 'elasticsearch',
    type = 'upsert',
    ${elasticsearch_properties},
    index_column = 'index_name',
    primary_key = 'exchange,symbol,horizon_minutes,feature_time,model_name,model_version',
    delimiter = '|'
);
