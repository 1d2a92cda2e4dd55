"""Components that an overlay may take: each on production, with what it is there for."""

import os
from pathlib import Path

import pytest
from tests.k8s import checks, outside, specification
from tests.k8s.cluster import ROOT, Cluster, build, selects
from tests.k8s.network import rules
from tests.k8s.pods import secret_files

CILIUM = "CiliumNetworkPolicy"


@pytest.fixture
def production(tmp_path: Path, request: pytest.FixtureRequest) -> Cluster:
    """Production with the component that the test's mark names."""
    k8s = os.path.relpath(ROOT / "k8s", tmp_path)
    component = request.param
    text = f"resources: [{k8s}/overlays/production]\ncomponents: [{k8s}/components/{component}]\n"
    (tmp_path / "kustomization.yaml").write_text("kind: Kustomization\n" + text)
    return build(tmp_path)


def with_component(name: str) -> pytest.MarkDecorator:
    """Build production with a component."""
    return pytest.mark.parametrize("production", [name], indirect=True)


@pytest.mark.parametrize("production", ["alert-webhook", "node-local-dns", "cilium"], indirect=True)
def test_all_checks_hold(production: Cluster) -> None:
    for check in checks.ALL:
        assert not list(check(production)), checks.name(check)


@with_component("alert-webhook")
def test_a_webhook_has_an_address_and_may_be_reached(production: Cluster, clusters: dict[str, Cluster]) -> None:
    for cluster, given in ((clusters["production"], False), (production, True)):
        (pod,) = [pod for pod in cluster.own_pods if pod.name == "model-error-monitor"]
        assert ("ALERT_WEBHOOK_URL" in secret_files(cluster, pod, pod.containers[0])) is given
        blocks = [
            (peer["ipBlock"]["cidr"], [entry["port"] for entry in rule["ports"]], set(peer["ipBlock"]["except"]))
            for rule in rules(cluster, pod, "egress")
            for peer in rule["to"]
            if "ipBlock" in peer
        ]
        assert [block[:2] for block in blocks] == ([("0.0.0.0/0", [443])] if given else [])
        assert all(private >= specification.PRIVATE for _, _, private in blocks)


@with_component("node-local-dns")
def test_every_pod_may_ask_its_node_for_names(production: Cluster) -> None:
    for pod in production.pods:
        opened = [
            peer
            for rule in rules(production, pod, "egress")
            for peer in rule["to"]
            if {"port": 53, "protocol": "UDP"} in rule["ports"]
        ]
        assert {"ipBlock": {"cidr": "169.254.20.10/32"}} in opened
        assert any(peer.get("podSelector", {}).get("matchLabels") == {"k8s-app": "node-local-dns"} for peer in opened)


@with_component("cilium")
def test_who_has_a_token_reaches_the_api_server_as_an_entity(production: Cluster) -> None:
    policies = [policy["spec"] for policy in production.kind(CILIUM)]
    for pod in production.pods:
        opened = {
            (entity, int(port["port"]))
            for policy in policies
            if selects(policy["endpointSelector"], pod.labels)
            for rule in policy["egress"]
            for entity in rule["toEntities"]
            for ports in rule["toPorts"]
            for port in ports["ports"]
        }
        expected = (
            {("kube-apiserver", port) for port in outside.API_SERVER} if outside.has_token(production, pod) else set()
        )
        if pod.kind == "Prometheus":
            expected |= {("host", 10250), ("remote-node", 10250)}
        assert opened == expected, pod.owner
