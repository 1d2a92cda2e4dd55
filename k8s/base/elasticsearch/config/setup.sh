#!/bin/bash
# The users that write (sinks, migrate) and read (predictions-api), and nightly snapshots. A second run changes nothing. Lifecycle and templates of the indices come
# from candlewave migrate --search, which knows their mappings.
set -euo pipefail
put() {
    curl --fail-with-body -sS --retry 30 --retry-all-errors --retry-delay 5 --config /tmp/login \
        -X PUT "$URL/$1" -H 'Content-Type: application/json' --data-binary @-
    echo
}
umask 077
printf 'user = "elastic:%s"\n' "$(cat /run/secrets/search/elastic-password)" > /tmp/login
put _security/role/candlewave <<'EOF'
{
  "cluster": ["monitor", "manage_ilm", "manage_index_templates"],
  "indices": [{
    "names": ["predictions-*", "prediction-errors-*", "alerts-*"],
    "privileges": ["read", "write", "create_index", "view_index_metadata", "manage_ilm", "auto_configure"]
  }]
}
EOF
printf '{"password": "%s", "roles": ["candlewave"]}' "$(cat /run/secrets/search/password)" | put _security/user/candlewave
put _security/role/candlewave-reader <<'EOF'
{
  "indices": [{
    "names": ["predictions-*", "prediction-errors-*", "alerts-*"],
    "privileges": ["read", "view_index_metadata"]
  }]
}
EOF
printf '{"password": "%s", "roles": ["candlewave-reader"]}' "$(cat /run/secrets/search/reader-password)" \
    | put _security/user/candlewave-reader
put _snapshot/backups <<'EOF'
{"type": "s3", "settings": {"bucket": "snapshots", "base_path": "elasticsearch"}}
EOF
put _slm/policy/nightly <<'EOF'
{
  "schedule": "0 30 2 * * ?",
  "name": "<nightly-{now/d}>",
  "repository": "backups",
  "config": {"include_global_state": true},
  "retention": {"expire_after": "30d", "min_count": 7, "max_count": 60}
}
EOF
