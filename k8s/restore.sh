#!/bin/bash
# Puts RisingWave back to a snapshot of its catalog. Usage: k8s/restore.sh NAMESPACE [SNAPSHOT]; without a number it lists them.
# docs/kubernetes/backup.md says when, and what to look at afterwards. The database is kept aside under another name, not dropped.
# A run that failed can be run again: how many replicas there were, and where the catalog is, stands in annotations until the end.
set -euo pipefail
space=${1:?which namespace}
snapshot=${2:-}
replicas=candlewave.io/replicas-before-restore
catalog=candlewave.io/catalog-before-restore
meta=statefulset.apps/risingwave-meta

k() { kubectl -n "$space" "$@"; }
sql() { k exec -i statefulset/postgres -- psql -v ON_ERROR_STOP=1 -U postgres "$@"; }
fail() {
    echo "$1" >&2
    exit 1
}
field() { k get "$1" -o "jsonpath={$2}"; }
annotation() { field "$1" ".metadata.annotations.${2//./\\.}"; }
labelled() { k get deployment,statefulset -l "app.kubernetes.io/component=$1" -o name; }
exists() { [ "$(sql -At -c "SELECT 1 FROM pg_database WHERE datname = '$1'")" = 1 ]; }

if [ -z "$snapshot" ]; then
    k exec deployment/technical-indicators -- candlewave sql -c 'SELECT meta_snapshot_id, remarks FROM rw_catalog.rw_meta_snapshot ORDER BY 1 DESC LIMIT 20'
    exit 0
fi
[[ $snapshot =~ ^[0-9]+$ ]] || fail "a snapshot is a number, not $snapshot"
read -rp "Stop everything in $space and go back to snapshot $snapshot? Type the namespace: " answer
[ "$answer" = "$space" ] || exit 1

# Recorded before anything stops. What has no replicas now was stopped by a run that failed, which says how many there were.
engine=$(labelled engine)
services=$(labelled service)
again=''
for one in $engine $services; do
    now=$(field "$one" .spec.replicas)
    before=$(annotation "$one" "$replicas")
    if [ "${now:-0}" -gt 0 ]; then
        k annotate "$one" --overwrite "$replicas=$now"
    elif [ "${before:-0}" -gt 0 ]; then
        [ "$one" != "$meta" ] || again=yes
    else
        fail "$one has no replicas, and no earlier run says how many it had: scale it first, nothing has been changed"
    fi
done
trap '[ $? = 0 ] || echo "NOT restored. Run it again, or go back as docs/kubernetes/backup.md says." >&2' EXIT

# Scalers would start again what is stopped here.
k annotate scaledobject --all --overwrite autoscaling.keda.sh/paused=true
for one in $services $engine; do k scale "$one" --replicas=0; done
k delete pod risingwave-restore --ignore-not-found --wait
k wait pod -l app.kubernetes.io/component=engine --for=delete --timeout=10m || true
[ -z "$(k get pod -l app.kubernetes.io/component=engine -o name)" ] || fail 'pods of RisingWave are still there'

aside=$(annotation "$meta" "$catalog")
if [ -n "$again" ] && [ -n "$aside" ] && exists "$aside"; then
    sql -c 'DROP DATABASE IF EXISTS risingwave' # which the earlier run left
elif exists risingwave; then
    aside=risingwave_$(date -u +%Y%m%d%H%M%S)
    k annotate "$meta" --overwrite "$catalog=$aside"
    sql -c "ALTER DATABASE risingwave RENAME TO $aside"
fi
sql -c "CREATE DATABASE risingwave OWNER risingwave ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0" \
    -c 'REVOKE ALL ON DATABASE risingwave FROM PUBLIC'

# Runs `risingwave ctl meta ...` in a pod that is to its policies what meta is, made of meta's own template.
ctl() {
    local phase='' end=$((SECONDS + 1800))
    k delete pod risingwave-restore --ignore-not-found --wait
    k get "$meta" -o json | python3 -c '
import json, sys
spec = json.load(sys.stdin)["spec"]["template"]["spec"]
box = spec["containers"][0]
box["command"] = ["/bin/bash", "-c"]
box["args"] = ["exec /risingwave/bin/risingwave ctl meta " + sys.argv[1]
    + " --meta-store-type postgres --sql-endpoint \"$RW_SQL_ENDPOINT\" --sql-username \"$RW_SQL_USERNAME\""
    + " --sql-password \"$RW_SQL_PASSWORD\" --sql-database \"$RW_SQL_DATABASE\""]
for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
    box.pop(probe, None)
spec["restartPolicy"] = "Never"
labels = {"app.kubernetes.io/name": "risingwave-meta", "app.kubernetes.io/part-of": "candlewave"}
json.dump({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "risingwave-restore", "labels": labels}, "spec": spec}, sys.stdout)
' "$1" | k apply -f -
    while [ "$phase" != Succeeded ]; do
        if [ "$phase" = Failed ] || [ "$SECONDS" -gt "$end" ]; then
            k logs risingwave-restore --tail=50 || true
            fail "risingwave ctl meta ${1%% *}: ${phase:-no pod}; nothing was started, the old catalog is in database ${aside:-(there was none)}"
        fi
        k wait pod/risingwave-restore --for=jsonpath='{.status.phase}'=Succeeded --timeout=5s > /dev/null 2>&1 || true
        phase=$(field pod/risingwave-restore .status.phase)
    done
    k delete pod risingwave-restore
}

# Restoring writes rows only. Making the tables also writes rows (which migrations were made, first keys) that a snapshot has too.
ctl create-meta-store-schema
sql -d risingwave <<'EOF'
DO $$
BEGIN
    EXECUTE (
        SELECT 'TRUNCATE ' || string_agg(format('%I.%I', schemaname, tablename), ', ')
        FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')
    );
END $$;
EOF
# shellcheck disable=SC2016 # the variables are the pod's
ctl "restore-meta --meta-snapshot-id $snapshot --validate-integrity"' --backup-storage-url "$RW_BACKUP_STORAGE_URL"'\
' --backup-storage-directory "$RW_BACKUP_STORAGE_DIRECTORY" --hummock-storage-url "${RW_STATE_STORE#hummock+}"'\
' --hummock-storage-directory "$RW_DATA_DIRECTORY"'

for one in $engine; do k scale "$one" --replicas="$(annotation "$one" "$replicas")"; done
for one in $engine; do k rollout status "$one" --timeout=15m; done
for one in $services; do k scale "$one" --replicas="$(annotation "$one" "$replicas")"; done
k annotate scaledobject --all autoscaling.keda.sh/paused-
for one in $services; do k rollout status "$one" --timeout=15m; done
for one in $engine $services; do
    ready=$(field "$one" .status.readyReplicas)
    [ "${ready:-0}" -gt 0 ] || fail "$one has no ready replica"
done
for one in $engine $services; do k annotate "$one" "$replicas-"; done
k annotate "$meta" "$catalog-"
echo "Restored. Check as docs/kubernetes/backup.md says, then drop database ${aside:-(there was none)}."
