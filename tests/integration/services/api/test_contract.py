"""The OpenAPI document is true: schemathesis looks for answers that it does not describe; and all examples run."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance
from tests.integration.services.api.conftest import Serve, issue
from tests.worlds.site import World

from candlewave.core.paths import project_root
from candlewave.services.api.app import Application
from candlewave.services.api.stream import feed

ADDRESS = "http://127.0.0.1:8000"
DOCUMENT = project_root() / "docs" / "api.md"
README = project_root() / "README.md"
CLIENT = project_root() / "docs" / "client.md"
EXAMPLES = 25


@pytest.mark.parametrize("anonymous", [True, False], ids=["open", "keys needed"])
@pytest.mark.parametrize("mode", list(GenerationMode), ids=str)
def test_answers_are_as_the_document_says(
    serve: Serve, conn: psycopg.Connection, monkeypatch: pytest.MonkeyPatch, mode: GenerationMode, anonymous: bool
) -> None:
    """Many valid or invalid requests of every operation; no undocumented status, form or content type.

    Where keys are needed, each request is repeated without one and with a wrong one: neither is answered.
    """
    monkeypatch.setattr(feed, "FRESHNESS_SECONDS", 0.01)
    api = serve(anonymous=anonymous, ask_training=lambda _: None)
    key = issue(conn, "read", "train")
    schema = schemathesis.openapi.from_url(f"{api.base_url}/openapi.json")

    @schema.auth()
    class Key:
        def get(self, _: object, __: object) -> str:
            return key

        def set(self, case: schemathesis.Case, data: str, _: object) -> None:
            case.headers["X-API-Key"] = data

    operations = [result.ok() for result in schema.get_all_operations()]
    assert len(operations) >= 18
    for operation in operations:
        if mode is GenerationMode.NEGATIVE and not (operation.query or operation.body):
            continue  # with nothing to give, nothing can be wrong
        # A stream has an end only when it is told where.
        fixed = {"limit": 1, "kinds": "freshness"} if operation.path == "/v1/stream" else {}

        @settings(
            max_examples=EXAMPLES,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(mode))
        def ask(case: schemathesis.Case) -> None:
            case.query = {**(case.query or {}), **fixed}  # noqa: B023 (called in this turn of the loop)
            # What a schema cannot say, such as which times are in order, is refused with 400, which is documented.
            case.call_and_validate(excluded_checks=[positive_data_acceptance], timeout=20)

        ask()


def test_the_examples_of_the_document_are_answered(serve: Serve, conn: psycopg.Connection) -> None:
    """Every parameter and body field has one, and together they ask for something that is there."""
    api = serve(ask_training=lambda _: None)
    key = {"X-API-Key": issue(conn, "read", "train")}
    document = api.get("/openapi.json").json()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            asked = {
                parameter["name"]: _example(parameter["schema"])
                for parameter in operation.get("parameters", [])
                if parameter["in"] == "query" and parameter["name"] != "cursor"
            }
            body = None
            if "requestBody" in operation:
                [content] = operation["requestBody"]["content"].values()
                fields = document["components"]["schemas"][content["schema"]["$ref"].rpartition("/")[2]]["properties"]
                body = {name: _example(field) for name, field in fields.items()}
            in_path = {p["name"]: _example(p["schema"]) for p in operation.get("parameters", []) if p["in"] == "path"}
            answer = api.request(method, path.format(**in_path), params=asked, json=body, headers=key)
            assert answer.status_code in (200, 202), answer.text
            if path == "/v1/stream":
                assert answer.text.startswith("event: ")
            else:
                assert answer.json().get("data", True), f"nothing is there for the examples of {path}"


def _example(schema: dict[str, Any]) -> object:
    """Return the example of a parameter, or its default where that says enough."""
    for part in (schema, *schema.get("anyOf", [])):
        if "examples" in part:
            return part["examples"][0]
    return schema["default"]


def test_every_route_is_in_the_document_and_back(make_app: object) -> None:
    app: Application = make_app()  # type: ignore[operator]
    served = set(app.framework.openapi()["paths"])
    written = set(re.findall(r"(?:GET|POST) (/v1/[a-z/{}-]+)", DOCUMENT.read_text(encoding="utf-8")))
    assert served == written


def _blocks(document: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", document.read_text(encoding="utf-8"), re.S)


def _commands() -> list[str]:
    """Return the manual's commands, and those of the README that ask the API, which runs elsewhere there."""
    manual = [line for block in _blocks(DOCUMENT, "sh") for line in block.splitlines() if line.strip()]
    first = [line for block in _blocks(README, "sh") for line in block.splitlines() if line.startswith("curl ")]
    return manual + [line.replace("curl -s ", "curl -s --fail ").replace(ADDRESS, "$API") for line in first]


@pytest.mark.parametrize("command", _commands())
def test_examples_of_the_manual_run(api: httpx.Client, command: str) -> None:
    done = subprocess.run(
        ["bash", "-c", command],
        env={"API": str(api.base_url).rstrip("/"), "PATH": "/usr/bin:/bin"},
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout


def test_there_are_examples() -> None:
    assert len(_commands()) >= 6
    assert any("curl" in block for block in _blocks(README, "sh"))


def test_the_example_of_the_client_runs(api: httpx.Client, world: World) -> None:
    """As it is written, but for the address; the last line of it waits for four forecasts that are made meanwhile."""
    [program] = _blocks(CLIENT, "python")
    assert ADDRESS in program
    command = [sys.executable, "-W", "error", "-c", program.replace(ADDRESS, str(api.base_url).rstrip("/"))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        while running.poll() is None:
            world.advance()
            world.forecast()
        assert running.stdout is not None
        assert running.stderr is not None
        lines, errors = running.stdout.read().splitlines(), running.stderr.read()
    assert (running.returncode, errors) == (0, "")
    assert [line.split()[0] for line in lines[:4]] == ["1", "5", "15", "60"]
    assert [line.split()[0] for line in lines[-4:]] == ["prediction"] * 4


def test_the_client_is_typed_for_those_who_install_it(tmp_path: Path) -> None:
    """A program of somebody else: mypy knows the types of answers, and finds what is wrong."""
    program = tmp_path / "program.py"
    program.write_text(
        "from candlewave.client import Client, calls\n"
        "with Client() as client:\n"
        "    price: float = client.get(calls.latest('BTC-USD')).data[0].price_q50\n"
        "    wrong: str = client.get(calls.latest('BTC-USD')).data[0].price_q50\n"
    )
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--follow-imports=silent", program.name]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert re.findall(r"^program.py:(\d+): error: .*\[(.*)\]$", done.stdout, re.M) == [("4", "assignment")], done.stdout


def test_the_document_of_problems_is_complete(serve: Serve) -> None:
    document = serve().get("/openapi.json").json()
    assert document["components"]["schemas"]["Problem"]["properties"].keys() >= {"type", "title", "status", "detail"}
    for path, operations in document["paths"].items():
        for operation in operations.values():
            assert {"400", "429", "503"} <= operation["responses"].keys(), path
            assert "422" not in operation["responses"], path
