"""Print all alert and recording rules as one plain rule file, for a Prometheus without its operator.

python scripts/prometheus_rules.py > rules.yaml
"""

import sys
from pathlib import Path
from typing import Any

import yaml

RULES = Path(__file__).parent.parent / "k8s" / "base" / "observability" / "rules"


def groups() -> list[dict[str, Any]]:
    """Return the groups of every PrometheusRule."""
    documents = [yaml.safe_load(path.read_text()) for path in sorted(RULES.glob("*.yaml"))]
    return [
        group for document in documents if document["kind"] == "PrometheusRule" for group in document["spec"]["groups"]
    ]


if __name__ == "__main__":
    yaml.safe_dump({"groups": groups()}, sys.stdout, sort_keys=False)
