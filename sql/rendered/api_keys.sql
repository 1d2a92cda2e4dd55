-- api_keys: who may use the API: hashes, never keys; written by `candlewave apikey`.
-- grain: one row per key
-- keys: prefix
-- event time: created_at
-- late data: not applicable
-- columns:
--   prefix: beginning of the key, by which people tell keys apart
--   hash: of the key, with the pepper
--   scopes: what it may be used for
--   created_at, expires_at, revoked_at: when; NULL for what has not been set
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
