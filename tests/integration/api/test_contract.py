"""The OpenAPI document is true: schemathesis looks for answers that it does not describe."""

import re
import subprocess

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance
from tests.integration.api.conftest import Serve

from candlewave.api.app import Application
from candlewave.paths import project_root

DOCUMENT = project_root() / "docs" / "api.md"
EXAMPLES = 50


@pytest.fixture(scope="module")
def operations(api: httpx.Client) -> list[object]:
    schema = schemathesis.openapi.from_url(f"{api.base_url}/openapi.json")
    found = [result.ok() for result in schema.get_all_operations()]
    return [operation for operation in found if operation.path != "/v1/stream"]


def test_answers_are_as_the_document_says(operations: list[object]) -> None:
    """Many valid and invalid requests of every operation; no undocumented status, form or content type."""
    assert len(operations) >= 17
    for operation in operations:
        strategy = operation.as_strategy()  # type: ignore[attr-defined]

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @_given(strategy)
        def ask(case: "schemathesis.Case") -> None:
            # What a schema cannot say, such as which times are in order, is refused with 400, which is documented.
            case.call_and_validate(excluded_checks=[positive_data_acceptance])

        ask()


def _given(strategy: object) -> object:
    from hypothesis import given

    return given(case=strategy)  # type: ignore[arg-type]


def test_every_route_is_in_the_document_and_back(make_app: object) -> None:
    app: Application = make_app()  # type: ignore[operator]
    served = set(app.framework.openapi()["paths"])
    written = set(re.findall(r"(?:GET|POST) (/v1/[a-z/-]+)", DOCUMENT.read_text(encoding="utf-8")))
    assert served == written


def _commands() -> list[str]:
    text = DOCUMENT.read_text(encoding="utf-8")
    return [line for block in re.findall(r"```sh\n(.*?)```", text, re.S) for line in block.splitlines() if line.strip()]


@pytest.mark.parametrize("command", _commands())
def test_examples_of_the_manual_run(api: httpx.Client, command: str) -> None:
    done = subprocess.run(
        ["bash", "-c", command],
        env={"API": str(api.base_url).rstrip("/"), "PATH": "/usr/bin:/bin"},
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout


def test_the_manual_has_examples() -> None:
    assert len(_commands()) >= 5


def test_the_document_of_problems_is_complete(serve: Serve) -> None:
    document = serve().get("/openapi.json").json()
    assert document["components"]["schemas"]["Problem"]["properties"].keys() >= {"type", "title", "status", "detail"}
    for path, operations in document["paths"].items():
        for operation in operations.values():
            assert {"400", "429", "503"} <= operation["responses"].keys(), path
            assert "422" not in operation["responses"], path
