-- prediction_errors_sink: outcomes of forecasts to Elasticsearch, into the index of their feature_time's day.
-- grain: one document per forecast with an outcome
-- keys: exchange, symbol, horizon_minutes, feature_time, model_name, model_version
-- event time: feature_time
-- late data: an amended outcome replaces its document
-- readers: predictions-api, people
CREATE SINK prediction_errors_sink FROM prediction_error_documents
WITH (
    connector = 'elasticsearch',
    type = 'upsert',
    ${elasticsearch_properties},
    index_column = 'index_name',
    primary_key = 'exchange,symbol,horizon_minutes,feature_time,model_name,model_version',
    delimiter = '|'
);
