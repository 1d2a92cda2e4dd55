"""Every check on every overlay."""

from pathlib import Path

import pytest
import yaml
from scripts import prometheus_rules
from tests.k8s import checks, programs, queries, risingwave, scaling, schemas
from tests.k8s.cluster import OVERLAYS, ROOT, Cluster, Document, title
from tests.k8s.test_rules import write_rules


@pytest.mark.parametrize("check", checks.ALL, ids=checks.name)
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_holds(clusters: dict[str, Cluster], overlay: str, check: checks.Check) -> None:
    assert not sorted(set(check(clusters[overlay])))


@pytest.mark.parametrize("version", schemas.VERSIONS)
def test_fits_kubernetes(clusters: dict[str, Cluster], version: str) -> None:
    different = {str(document): document for cluster in clusters.values() for document in cluster.documents}
    own = [document for document in different.values() if schemas.is_built_in(document)]
    assert own
    assert not [problem for document in own for problem in schemas.problems(document, version)]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_custom_resources_fit_their_schemas(clusters: dict[str, Cluster], overlay: str) -> None:
    found, missing = [], set()
    for document in clusters[overlay].documents:
        if schemas.is_built_in(document):
            continue
        try:
            found += list(schemas.custom_problems(document))
        except schemas.NoSchemaError as error:
            missing.add(str(error))
    assert not found
    if missing:
        pytest.skip(f"no schema beside the repository (docs/kubernetes/validation.md) of {', '.join(sorted(missing))}")


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_scalers_ask_for_what_is_exported(clusters: dict[str, Cluster], overlay: str) -> None:
    asked = [queries.Query(where, expr) for where, expr in scaling.queries(clusters[overlay])]
    assert asked
    assert not [problem for query in asked for problem in queries.problems(query)]


def test_scalers_see_a_number_or_nothing_when_there_is_no_load(clusters: dict[str, Cluster], tmp_path: Path) -> None:
    promtool = programs.find("promtool")
    cases = []
    for where, expr in scaling.queries(clusters["production"]):
        names = {base for use in queries.uses(expr) for base in _recorded_from(use.metric)}
        cases.append(
            {
                "interval": "1m",
                "name": where,
                "input_series": [{"series": f'{name}{{le="1"}}', "values": "0+0x30"} for name in sorted(names)],
                # Nothing comes back: not even a value that is no number.
                "promql_expr_test": [{"expr": f"({expr}) != ({expr})", "eval_time": "30m", "exp_samples": []}],
            }
        )
    write_rules(tmp_path, prometheus_rules.groups())
    (tmp_path / "test.yaml").write_text(yaml.safe_dump({"rule_files": ["rules.yaml"], "tests": cases}))
    done = programs.run(promtool, "test", "rules", "test.yaml", folder=tmp_path)
    assert done.returncode == 0, done.stdout


def _recorded_from(metric: str) -> set[str]:
    """Return the metrics behind a recorded one; itself if it is none."""
    rule = next((rule for rule in queries.rules() if rule.get("record") == metric), None)
    return {metric} if rule is None else {use.metric for use in queries.uses(rule["expr"])}


def test_overlays_in_one_cluster_do_not_take_each_others_objects(clusters: dict[str, Cluster]) -> None:
    seen: dict[tuple[str, str], tuple[str, Document]] = {}
    for overlay, cluster in clusters.items():
        for document in cluster.documents:
            key = (document["metadata"].get("namespace", ""), title(document))
            first, other = seen.setdefault(key, (overlay, document))
            assert document == other, f"{title(document)} is one thing in {first}, another in {overlay}"
    assert len([space for space, _ in seen if not space]) >= 2 * len(clusters), "nothing is cluster-wide"


def test_sql_needs_no_licence() -> None:
    assert not list(risingwave.premium_sql([ROOT / "sql", ROOT / "migrations"]))
