"""Checks of the object stores: their claims hold what each bucket takes from the beginning."""

import re
from ast import literal_eval
from collections.abc import Iterator

from tests.k8s.cluster import Cluster, Document, title
from tests.k8s.pods import amount, variables

_GROWN_AT_ONCE = 7
"""Volumes that SeaweedFS adds when a bucket without copies needs one, unless WEED_MASTER_VOLUME_GROWTH_COPY_1 says."""


def room(cluster: Cluster) -> Iterator[str]:
    """The first volumes of all buckets fit into the claim."""
    for store in cluster.kind("StatefulSet"):
        box = store["spec"]["template"]["spec"]["containers"][0]
        limit = re.search(r"-master\.volumeSizeLimitMB=(\d+)", " ".join(box.get("args", [])))
        if limit is None:
            continue
        grown = int(variables(cluster, box).get("WEED_MASTER_VOLUME_GROWTH_COPY_1", _GROWN_AT_ONCE))
        taken = len(_buckets(cluster, store)) * grown * int(limit[1]) * 2**20
        size = store["spec"]["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"]
        if taken > amount(size):
            yield f"{title(store)}: {size} hold {amount(size) / taken:.0%} of the first volumes of its buckets"


_USABLE = 0.85
"""Of a volume, for Prometheus' blocks: it writes a new one before it deletes an old one, and a log ahead of both."""


def retention(cluster: Cluster) -> Iterator[str]:
    """Prometheus deletes before its volume is full."""
    for document in cluster.kind("Prometheus"):
        claim = document["spec"].get("storage", {}).get("volumeClaimTemplate")
        if claim is None:
            continue
        size = claim["spec"]["resources"]["requests"]["storage"]
        kept = document["spec"].get("retentionSize")
        if kept is None or amount(kept.removesuffix("B")) > _USABLE * amount(size):
            yield f"{title(document)}: keeps {kept} on {size}"


def _buckets(cluster: Cluster, store: Document) -> list[str]:
    """Return the buckets that Jobs make in a store."""
    found: list[str] = []
    for pod in cluster.own_pods:
        for container in pod.containers:
            for script in _scripts(cluster, pod.spec):
                for variable, names in re.findall(r'os\.environ\["(\w+)"\], (\[[^\]]*\])', script):
                    endpoint = variables(cluster, container).get(variable, "")
                    if endpoint.startswith(f"http://{store['spec']['serviceName']}:"):
                        found += literal_eval(names)
    return found


def _scripts(cluster: Cluster, spec: Document) -> Iterator[str]:
    for volume in spec.get("volumes", []):
        document = cluster.get("ConfigMap", volume.get("configMap", {}).get("name", "")) or {}
        yield from (document.get("data") or {}).values()
