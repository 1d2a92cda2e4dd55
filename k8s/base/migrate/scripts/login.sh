#!/bin/bash
# A new RisingWave lets root in without a password. Give it one, and make the user candlewave; a second run changes nothing.
set -euo pipefail
export PGCONNECT_TIMEOUT=5
own=$(cat /run/secrets/engine/password)
root=$(cat /run/secrets/engine/root-password)
until PGUSER=root PGPASSWORD=$root psql -Atqc 'SELECT 1' > /dev/null 2> /tmp/root.err \
    || PGUSER=root psql -Atqwc 'SELECT 1' > /dev/null 2> /tmp/new.err; do
    echo "waiting for RisingWave: $(cat /tmp/root.err)"
    sleep 5
done
if PGUSER=candlewave PGPASSWORD=$own psql -Atqc 'SELECT 1' > /dev/null 2>&1; then
    echo 'candlewave can log in'
    exit 0
fi
if PGUSER=root PGPASSWORD=$root psql -Atqc 'SELECT 1' > /dev/null 2>&1; then
    export PGPASSWORD=$root
fi
# Statements come over standard input, so that no password stands in a list of processes.
verb=CREATE
[ "$(psql -Atq -U root -c "SELECT count(*) FROM pg_catalog.pg_user WHERE usename = 'candlewave'")" = 0 ] || verb=ALTER
psql -v ON_ERROR_STOP=1 -Atq -U root << SQL
$verb USER candlewave WITH LOGIN CREATEDB PASSWORD '$own';
GRANT ALL PRIVILEGES ON DATABASE dev TO candlewave;
GRANT ALL PRIVILEGES ON SCHEMA public TO candlewave;
ALTER USER root WITH PASSWORD '$root';
SQL
echo 'made the user candlewave'
