#!/bin/bash
# Writes the configuration of a node to /config: the image's own, ours, its roles, and the key store.
set -euo pipefail
home=/usr/share/elasticsearch
cp -r "$home"/config/. /config/
cp /scripts/elasticsearch.yml /scripts/roles.yml /config/
printf 'node.roles: [%s]\n' "$NODE_ROLES" >> /config/elasticsearch.yml
if [ -n "${INITIAL_MASTERS:-}" ]; then
    printf 'cluster.initial_master_nodes: [%s]\n' "$INITIAL_MASTERS" >> /config/elasticsearch.yml
fi
if [ -n "${S3_ENDPOINT:-}" ]; then
    printf 's3.client.default.endpoint: "%s"\ns3.client.default.path_style_access: true\n' "$S3_ENDPOINT" >> /config/elasticsearch.yml
fi
export ES_PATH_CONF=/config
rm -f /config/elasticsearch.keystore
"$home/bin/elasticsearch-keystore" create --silent
add() { "$home/bin/elasticsearch-keystore" add --stdin --force "$1" < "$2"; }
add bootstrap.password /run/secrets/search/elastic-password
add s3.client.default.access_key /run/secrets/object-store/access-key
add s3.client.default.secret_key /run/secrets/object-store/secret-key
