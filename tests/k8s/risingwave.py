"""Checks that nothing needs a licence of RisingWave: premium features stop above 4 vCPU or 16 GiB without one."""

import re
from collections.abc import Iterator
from pathlib import Path

from tests.k8s.cluster import Cluster
from tests.k8s.references import texts

PREMIUM = {
    r"\bCREATE\s+SECRET\b": "secrets in SQL",
    r"=\s*secret\s+\w": "secrets in SQL",
    r"data_file_cache|meta_file_cache": "elastic disk cache",
    r"\bFOR\s+SYSTEM_TIME\s+AS\s+OF\b(?!\s+PROCTIME)": "time travel",
    r"resource_group": "resource groups",
    r"connector\s*=\s*'(opensearch|bigquery|snowflake\w*|dynamodb|sqlserver(-cdc)?)'": "a premium connector",
    r"auto\.schema\.change": "automatic schema change of sinks",
    r"(?i)licen[sc]e[_-]?key": "a licence key",
}
"""What would need a licence, by how it is written."""


def premium_in(where: str, text: str) -> Iterator[str]:
    """Say which premium features a text uses."""
    for pattern, what in PREMIUM.items():
        if re.search(pattern, text, re.IGNORECASE):
            yield f"{where}: {what}, which needs a licence above 4 vCPU or 16 GiB"


def premium(cluster: Cluster) -> Iterator[str]:
    """No configuration of the overlay uses a premium feature."""
    for where, text, _ in texts(cluster):
        yield from premium_in(where, text)


def premium_sql(folders: list[Path]) -> Iterator[str]:
    """No template and no migration uses a premium feature."""
    for folder in folders:
        for path in sorted([*folder.rglob("*.j2"), *folder.rglob("*.py")]):
            lines = [line for line in path.read_text().splitlines() if not line.lstrip().startswith(("--", "#"))]
            yield from premium_in(str(path), "\n".join(lines))
