#!/bin/bash
# Brings an overlay to a cluster: stores first, then migrations, then the services. Usage: k8s/apply.sh dev|staging|production
set -euo pipefail
overlay=$(cd "$(dirname "$0")" && pwd)/overlays/${1:?which overlay: dev, staging or production}
file=$(mktemp)
trap 'rm -f "$file"' EXIT
kubectl kustomize "$overlay" > "$file"
space=$(sed -n 's/^namespace: //p' "$overlay/kustomization.yaml")
k() { kubectl -n "$space" "$@"; }
services='app.kubernetes.io/component=service'

# Waits until a Job has completed or failed, at most so many seconds.
completed() {
    local end=$((SECONDS + $2))
    while [ "$SECONDS" -lt "$end" ]; do
        ! k wait "job/$1" --for=condition=Complete --timeout=15s 2> /dev/null || return 0
        ! k wait "job/$1" --for=condition=Failed --timeout=0 2> /dev/null || break
    done
    k logs "job/$1" --all-containers --tail=50
    echo "job $1 did not complete$3" >&2
    return 1
}

# A pool must say how many brokers it has, and its scaler says so too: the scaler's word stays.
brokers=$(k get kafkanodepool broker --ignore-not-found -o 'jsonpath={.spec.replicas}')
if [ -n "$brokers" ]; then
    awk -v n="$brokers" 'BEGIN { RS = ORS = "---\n" }
        /kind: KafkaNodePool\n/ && /\n  name: broker\n/ { sub(/\n  replicas: [0-9]+/, "\n  replicas: " n) } 1' "$file" > "$file.new"
    mv "$file.new" "$file"
fi

# Jobs cannot be changed; those of the last version make room.
k delete job migrate s3-buckets elasticsearch-setup --ignore-not-found --wait
kubectl apply --server-side -f "$file" -l '!app.kubernetes.io/component'
kubectl apply --server-side -f "$file" -l 'app.kubernetes.io/component,app.kubernetes.io/component!=service'
k wait kafka/candlewave --for=condition=Ready --timeout=15m
k rollout status statefulset/risingwave-compute --timeout=15m
k rollout status deployment/risingwave-frontend --timeout=15m
completed s3-buckets 900 ''
completed elasticsearch-setup 900 ''
completed migrate 7200 ': the services stay as they are'
kubectl apply --server-side -f "$file" -l "$services"
k rollout status deployment -l "$services" --timeout=15m

# When all has rolled, nothing needs the ConfigMaps of earlier versions, whose names end with a hash of what is in them.
for one in $(k get deployment,statefulset -l app.kubernetes.io/part-of=candlewave -o name); do
    k rollout status "$one" --timeout=15m
done
k get configmap -l app.kubernetes.io/part-of=candlewave -o name | { grep -E -- '-[a-z0-9]{10}$' || true; } | while read -r name; do
    grep -qx "  name: ${name#configmap/}" "$file" || k delete "$name"
done
