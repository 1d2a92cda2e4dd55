#!/bin/bash
# Makes random secrets for the overlay dev, in a namespace of their own that External Secrets reads. A second run keeps what is
# there and adds what is missing. Usage: k8s/dev-secrets.sh [NAME=VALUE ...], for example slack-api-url=https://...
set -euo pipefail
space=candlewave-dev
vault=candlewave-dev-vault
here=$(cd "$(dirname "$0")" && pwd)

random() { openssl rand -hex 20; }
declare -A values
for name in $(grep -rhoP 'remoteRef: \{key: candlewave, property: \K[a-z0-9-]+' "$here/base/secrets" | sort -u); do
    values[$name]=$(random)
done
values[grafana-admin-user]=admin
values[oauth2-cookie-secret]=$(openssl rand -hex 16) # 32 bytes, as it must have
values[oauth2-client-id]=candlewave-dev
values[slack-api-url]=http://127.0.0.1:9/nowhere
for pair in "$@"; do values[${pair%%=*}]=${pair#*=}; done

kubectl create namespace "$vault" --dry-run=client -o yaml | kubectl apply -f - > /dev/null
kept=$(kubectl -n "$vault" get secret candlewave -o jsonpath='{.data}' 2> /dev/null || true)
{
    printf 'apiVersion: v1\nkind: Secret\nmetadata: {name: candlewave, namespace: %s}\ndata:\n' "$vault"
    for name in "${!values[@]}"; do
        old=$(grep -oP "\"$name\":\"\K[^\"]+" <<< "$kept" || true)
        given=$(printf '%s\n' "$@" | grep -c "^$name=" || true)
        if [ -n "$old" ] && [ "$given" = 0 ]; then
            printf '  %s: %s\n' "$name" "$old"
        else
            printf '  %s: %s\n' "$name" "$(printf %s "${values[$name]}" | base64 -w0)"
        fi
    done
} | kubectl apply -f - > /dev/null
kubectl apply -f - > /dev/null << EOF
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: read, namespace: $vault}
rules:
  - {apiGroups: [""], resources: [secrets], verbs: [get, list, watch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: read, namespace: $vault}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: read}
subjects:
  - {kind: ServiceAccount, name: secret-reader, namespace: $space}
EOF
echo "secrets are in namespace $vault"
