#!/bin/bash
# Puts RisingWave back to a snapshot of its catalog. Usage: k8s/restore.sh NAMESPACE [SNAPSHOT]; without a number it lists them.
# docs/kubernetes/backup.md says when, and what to look at afterwards. The database is kept aside under another name, not dropped.
set -euo pipefail
space=${1:?which namespace}
snapshot=${2:-}
k() { kubectl -n "$space" "$@"; }
sql() { k exec -i statefulset/postgres -- psql -v ON_ERROR_STOP=1 -U postgres "$@"; }
if [ -z "$snapshot" ]; then
    k exec deployment/technical-indicators -- candlewave sql -c 'SELECT meta_snapshot_id, remarks FROM rw_catalog.rw_meta_snapshot ORDER BY 1 DESC LIMIT 20'
    exit 0
fi
read -rp "Stop everything in $space and go back to snapshot $snapshot? Type the namespace: " answer
[ "$answer" = "$space" ] || exit 1

replicas() { k get "$1" -o jsonpath='{.spec.replicas}'; }
metas=$(replicas statefulset/risingwave-meta)
others=$(replicas deployment/risingwave-frontend)
computes=$(replicas statefulset/risingwave-compute)

# Scalers would start again what is stopped here.
k annotate scaledobject --all --overwrite autoscaling.keda.sh/paused=true
k scale deployment -l app.kubernetes.io/component=service --replicas=0
k scale deployment/risingwave-frontend deployment/risingwave-compactor --replicas=0
k scale statefulset/risingwave-compute statefulset/risingwave-meta --replicas=0
k wait pod -l app.kubernetes.io/component=engine --for=delete --timeout=10m || true
if [ -n "$(k get pod -l app.kubernetes.io/component=engine -o name)" ]; then
    echo 'pods of RisingWave are still there' >&2
    exit 1
fi

aside=risingwave_$(date -u +%Y%m%d%H%M%S)
sql -c "ALTER DATABASE risingwave RENAME TO $aside" \
    -c "CREATE DATABASE risingwave OWNER risingwave ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0" \
    -c 'REVOKE ALL ON DATABASE risingwave FROM PUBLIC'

# A pod that is to its policies what meta is, made of meta's own template: same image, same keys, another command.
k delete pod risingwave-restore --ignore-not-found --wait
k get statefulset risingwave-meta -o json | python3 -c '
import json, sys
spec = json.load(sys.stdin)["spec"]["template"]["spec"]
box = spec["containers"][0]
box["command"] = ["/bin/bash", "-c"]
box["args"] = ["exec /risingwave/bin/risingwave ctl meta restore-meta --meta-snapshot-id " + str(int(sys.argv[1]))
    + " --meta-store-type postgres --sql-endpoint \"$RW_SQL_ENDPOINT\" --sql-username \"$RW_SQL_USERNAME\""
    + " --sql-password \"$RW_SQL_PASSWORD\" --sql-database \"$RW_SQL_DATABASE\""
    + " --backup-storage-url \"$RW_BACKUP_STORAGE_URL\" --backup-storage-directory \"$RW_BACKUP_STORAGE_DIRECTORY\""
    + " --hummock-storage-url \"${RW_STATE_STORE#hummock+}\" --hummock-storage-directory \"$RW_DATA_DIRECTORY\" --validate-integrity"]
for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
    box.pop(probe, None)
spec["restartPolicy"] = "Never"
labels = {"app.kubernetes.io/name": "risingwave-meta", "app.kubernetes.io/part-of": "candlewave"}
json.dump({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "risingwave-restore", "labels": labels}, "spec": spec}, sys.stdout)
' "$snapshot" | k apply -f -
if ! k wait pod/risingwave-restore --for=jsonpath='{.status.phase}'=Succeeded --timeout=30m; then
    k logs risingwave-restore --tail=50
    echo "nothing was started; the old catalog is in database $aside" >&2
    exit 1
fi
k delete pod risingwave-restore
k scale statefulset/risingwave-meta --replicas="$metas"
k scale deployment/risingwave-frontend deployment/risingwave-compactor --replicas="$others"
k scale statefulset/risingwave-compute --replicas="$computes"
k annotate scaledobject --all autoscaling.keda.sh/paused-
k rollout status statefulset/risingwave-compute --timeout=15m
echo "Restored. Check as docs/kubernetes/backup.md says, then drop database $aside."
