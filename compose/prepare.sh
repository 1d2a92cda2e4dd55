#!/bin/bash
# Makes what compose.yaml needs and git must not have, in .candlewave/stack: random passwords, once, and the variables of a size.
# Nobody else may look into that folder; the files in it are readable, since containers run as users of their own.
# Usage: compose/prepare.sh [small|full]; without a size it stays what it was, at first full.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=.candlewave/stack
size=${1:-$(cat "$folder/size" 2> /dev/null || echo full)}
case $size in
    small) risingwave=2304 compute=1536 trainer=1024 ;;
    full) risingwave=5120 compute=4096 trainer=2048 ;;
    *)
        echo "a size is small or full, not $size" >&2
        exit 1
        ;;
esac
mkdir -p "$folder/secrets"
chmod 700 .candlewave/stack
echo "$size" > "$folder/size"
random() { openssl rand -hex 20; }
keep() { [ -s "$folder/secrets/$1" ] || printf %s "${2:-$(random)}" > "$folder/secrets/$1"; chmod 444 "$folder/secrets/$1"; }
for name in postgres-password risingwave-password mlflow-password s3-access-key s3-secret-key elasticsearch-password \
    grafana-password api-key-pepper; do
    keep "$name"
done
# Alerts go nowhere until these hold addresses of yours.
keep slack-api-url http://127.0.0.1:9/nowhere
keep pagerduty-routing-key none
read_() { cat "$folder/secrets/$1"; }
printf '{"identities": [{"name": "stack", "credentials": [{"accessKey": "%s", "secretKey": "%s"}], "actions": ["Admin", "Read", "Write", "List", "Tagging"]}]}\n' \
    "$(read_ s3-access-key)" "$(read_ s3-secret-key)" > "$folder/secrets/s3.json"
umask 077
cat > "$folder/env" << EOF
S3_ACCESS_KEY=$(read_ s3-access-key)
S3_SECRET_KEY=$(read_ s3-secret-key)
RISINGWAVE_META_PASSWORD=$(read_ risingwave-password)
MLFLOW_DATABASE_PASSWORD=$(read_ mlflow-password)
ELASTICSEARCH_PASSWORD=$(read_ elasticsearch-password)
API_KEY_PEPPER=$(read_ api-key-pepper)
RISINGWAVE_MEMORY=${risingwave}m
RISINGWAVE_COMPUTE_BYTES=$((compute * 1024 ** 2))
TRAINER_MEMORY=${trainer}m
EOF
if [ "$size" = full ]; then
    cat >> "$folder/env" << EOF
COMPOSE_PROFILES=full
MIGRATE_OPTIONS=--search
ELASTICSEARCH_URL=http://elastic:$(read_ elasticsearch-password)@elasticsearch:9200
ALERTMANAGER_URL=http://alertmanager:9093
OTEL_EXPORTER_OTLP_ENDPOINT=http://alloy:4318
EOF
else
    echo MIGRATE_OPTIONS= >> "$folder/env"
fi
