-- api_keys: who may use the API: hashes, never keys; written by `candlewave apikey`.
-- grain: one row per key
-- keys: prefix
-- event time: created_at
-- late data: not applicable
-- readers: predictions-api
CREATE TABLE api_keys (
    prefix VARCHAR,
    hash VARCHAR,
    name VARCHAR,
    scopes VARCHAR,
    created_at TIMESTAMPTZ,
    expires_at TIMESTAMPTZ,
    revoked_at TIMESTAMPTZ,
    PRIMARY KEY (prefix)
);
