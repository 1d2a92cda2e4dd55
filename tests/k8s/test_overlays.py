"""Every check on every overlay."""

import pytest
from tests.k8s import checks, queries, risingwave, scaling, schemas
from tests.k8s.cluster import OVERLAYS, ROOT, Cluster


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
        except schemas.NoSchema as error:
            missing.add(str(error))
    assert not found
    if missing:
        pytest.skip(f"no schema beside the repository (docs/kubernetes/validation.md) of {', '.join(sorted(missing))}")


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_scalers_ask_for_what_is_exported(clusters: dict[str, Cluster], overlay: str) -> None:
    asked = [queries.Query(where, expr) for where, expr in scaling.queries(clusters[overlay])]
    assert asked
    assert not [problem for query in asked for problem in queries.problems(query)]


def test_sql_needs_no_licence() -> None:
    assert not list(risingwave.premium_sql([ROOT / "sql", ROOT / "migrations"]))
