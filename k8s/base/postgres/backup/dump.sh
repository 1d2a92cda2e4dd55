#!/bin/bash
# Dumps both databases into /dump; upload.py takes them from there.
set -euo pipefail
PGPASSWORD=$(cat /run/secrets/postgres/password)
export PGPASSWORD
for name in risingwave mlflow; do
    pg_dump -h "$PGHOST" -U postgres -Fc -f "/dump/$name.dump" "$name"
    # A dump that cannot be listed cannot be restored either.
    pg_restore --list "/dump/$name.dump" > /dev/null
done
