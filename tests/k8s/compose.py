"""Checks of compose.yaml: the real stack on one machine."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.k8s.cluster import is_our_image
from tests.k8s.code import LIBRARY_VARIABLES, settings_variables
from tests.k8s.pods import amount
from tests.k8s.scaling import SERVICES

_DEFAULT = re.compile(r"\$\{[A-Z0-9_]+:-([^}]*)\}")
PARTS = ("kafka", "risingwave", "elasticsearch", "mlflow", "postgres", "s3", "prometheus", "grafana", "loki", "tempo",
         "alertmanager", "migrate", *SERVICES)  # fmt: skip
"""What the stack must have; a service's name begins like this."""


SIZES = {"small": (frozenset[str](), 8 * 2**30), "full": (frozenset({"full"}), 16 * 2**30)}
"""Profiles and memory of each size."""

PROGRAMS = {
    "kafka": "/opt/kafka/bin/kafka-broker-api-versions.sh",  # Apache's image keeps its scripts there
    "postgres": "pg_isready",
    "seaweedfs": "wget",  # of Alpine's busybox
    "risingwave": "bash",  # of Ubuntu
    "elasticsearch": "curl",  # its own scripts use it
    "mlflow": "python",
    "prometheus": "promtool",
    "alertmanager": "wget",  # of the busybox that Prometheus' images are built on
    "loki": "/usr/bin/loki",  # nothing else is in there; -health: grafana/loki#20590
    "tempo": "/tempo",  # likewise: grafana/tempo#6608
    "alloy": "bash",  # of Ubuntu
    "grafana": "wget",  # of Alpine's busybox
}
"""A program that the image has, which asks whether its server is healthy."""


def problems(compose: dict[str, Any], root: Path) -> Iterator[str]:
    """Say what is wrong in a compose file that fits the schema."""
    services = compose["services"]
    for part in PARTS:
        if not any(name == part or name.startswith(f"{part}-") for name in services):
            yield f"no service {part}"
    for name, service in services.items():
        for problem in [*_service(service, compose, root), *_health(name, service, compose), *_size(service, compose)]:
            yield f"{name}: {problem}"
    for kind in ("configs", "secrets"):
        for name, entry in compose.get(kind, {}).items():
            if "file" in entry and kind == "configs" and not (root / plain(entry["file"])).exists():
                yield f"{kind} {name}: no file {entry['file']}"


def _health(name: str, service: dict[str, Any], compose: dict[str, Any]) -> Iterator[str]:
    """Whatever runs on has a health check, by a program that its image has; ours has one in the image."""
    ends = {
        other
        for waiting in compose["services"].values()
        for other, how in _waits(waiting).items()
        if how.get("condition") == "service_completed_successfully"
    }
    test = service.get("healthcheck", {}).get("test")
    image = plain(service.get("image", ""))
    if name in ends or is_our_image(image):
        return
    if test is None:
        yield "no health check"
        return
    program = test[1].split()[0]
    expected = PROGRAMS.get(image.split(":")[0].rsplit("/", 1)[-1])
    if program != expected:
        yield f"its image has no {program}; {expected} can ask"


def _size(service: dict[str, Any], compose: dict[str, Any]) -> Iterator[str]:
    """A service needs nothing that a size with it does not have."""
    for other, how in _waits(service).items():
        profiles = set(compose["services"].get(other, {}).get("profiles", []))
        if profiles - set(service.get("profiles", profiles and [])) and how.get("required", True):
            yield f"needs {other}, which only {', '.join(sorted(profiles))} has"


def _waits(service: dict[str, Any]) -> dict[str, dict[str, Any]]:
    waits = service.get("depends_on", {})
    return waits if isinstance(waits, dict) else {other: {} for other in waits}


def memory(compose: dict[str, Any], profiles: frozenset[str], variables: dict[str, str]) -> float:
    """Return the bytes that the long-running services of a size may take together."""
    total = 0.0
    for service in compose["services"].values():
        if set(service.get("profiles", [])) <= profiles and "restart" in service:
            limit = re.sub(r"\$\{([A-Z_]+)\}", lambda match: variables[match[1]], str(service["mem_limit"]))
            total += amount({"m": f"{limit[:-1]}Mi", "g": f"{limit[:-1]}Gi"}[limit[-1]])
    return total


def _service(service: dict[str, Any], compose: dict[str, Any], root: Path) -> Iterator[str]:
    image = plain(service.get("image", ""))
    ours = bool(image) and is_our_image(image)
    tag = image.rpartition(":")[2]
    if not ours and (not image or tag == "latest" or not any(c.isdigit() for c in tag) or "/" in tag):
        yield f"image {image or '(none)'} is not pinned"
    for other in service.get("depends_on", {}):
        if other not in compose["services"]:
            yield f"depends on {other}, which is not there"
        condition = _waits(service)[other].get("condition")
        if condition == "service_healthy" and "healthcheck" not in compose["services"].get(other, {}):
            yield f"waits for the health of {other}, which has no healthcheck"
    for kind in ("configs", "secrets"):
        for entry in service.get(kind, []):
            source = entry if isinstance(entry, str) else entry["source"]
            if source not in compose.get(kind, {}):
                yield f"no {kind} {source}"
    for entry in service.get("volumes", []):
        source = entry.split(":")[0] if isinstance(entry, str) else entry.get("source", "")
        is_path = source.startswith((".", "/"))
        if is_path and not (root / source).exists():
            yield f"no file {source}"
        if source and not is_path and source not in compose.get("volumes", {}):
            yield f"no volume {source}"
    yield from _expanded(service, root)
    for port in service.get("ports", []):
        host = port.get("host_ip", "") if isinstance(port, dict) else str(port)
        if not plain(host).startswith("127.0.0.1"):
            yield f"port {port} is open to other machines"
    if service.get("privileged") or service.get("network_mode") == "host":
        yield "privileged, or in the host's network"
    if ours:
        yield from _own(service)


def _expanded(service: dict[str, Any], root: Path) -> Iterator[str]:
    """Files in which a program expands variables name, also in comments, only those that it has."""
    if "-config.expand-env=true" in (service.get("command") or []):
        for entry in service.get("volumes", []):
            for file in sorted((root / entry.split(":")[0]).glob("*.yaml")) if entry.startswith("./") else []:
                for name in re.findall(r"\$\{([^}:]*)", file.read_text()):
                    if name not in service.get("environment", {}):
                        yield f"{file.name} expands ${{{name}}}, which it has not"


def _own(service: dict[str, Any]) -> Iterator[str]:
    for key, wanted in (("read_only", True), ("cap_drop", ["ALL"]), ("security_opt", ["no-new-privileges:true"])):
        if service.get(key) != wanted:
            yield f"{key} is not {wanted}"
    variables = service.get("environment") or {}
    names = variables if isinstance(variables, dict) else [item.split("=")[0] for item in variables]
    for name in sorted(set(names) - settings_variables() - LIBRARY_VARIABLES.keys()):
        yield f"{name} is no setting of candlewave"


def plain(text: str) -> str:
    """Put the defaults in where variables stand."""
    return _DEFAULT.sub(r"\1", str(text))
