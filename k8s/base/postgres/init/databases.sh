#!/bin/bash
# Runs once, on an empty volume: a database and its owner for each who needs one. The image's start script reads this file into
# its own shell, hence the parentheses.
(
    set -euo pipefail
    for name in risingwave mlflow; do
        psql -v ON_ERROR_STOP=1 -U postgres -v name="$name" -v password="$(cat "/run/secrets/postgres/$name-password")" << 'SQL'
CREATE ROLE :"name" LOGIN PASSWORD :'password';
CREATE DATABASE :"name" OWNER :"name" ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0;
REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
SQL
    done
)
