"""All checks of a rendered overlay, listed in docs/kubernetes/validation.md. Each yields a line for each problem."""

from collections.abc import Callable, Iterator

from tests.k8s import kafka, network, outside, pods, references, risingwave, scaling, storage
from tests.k8s.cluster import Cluster

Check = Callable[[Cluster], Iterator[str]]

ALL: tuple[Check, ...] = (
    references.unique,
    references.volumes,
    references.environment,
    references.named_in_resources,
    references.config_maps_used,
    references.no_secret_inside,
    references.accounts,
    references.services,
    references.stateful_services,
    references.addresses,
    references.budgets,
    references.selectors,
    references.monitors,
    network.default_deny,
    network.names,
    network.flows,
    network.needed,
    outside.metadata,
    outside.api_server,
    outside.askers,
    outside.cluster_wide,
    outside.monitored,
    outside.all_alertmanagers,
    pods.restricted,
    pods.tokens,
    pods.images,
    pods.resources,
    pods.probes,
    pods.grace,
    pods.environment,
    pods.expanded,
    pods.jobs,
    pods.telemetry,
    scaling.targets,
    scaling.limits,
    scaling.own_load,
    scaling.unanswered,
    scaling.authentication,
    kafka.topics,
    kafka.clusters,
    kafka.contexts,
    kafka.rights,
    kafka.triggers,
    risingwave.premium,
    storage.room,
    storage.retention,
)


def name(check: Check) -> str:
    """Return a check's module and name."""
    return f"{check.__module__.rsplit('.', 1)[-1]}.{check.__name__}"
