"""Settings: environment variables, secrets as files, and no placeholder outside development."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from candlewave.core.settings import Settings


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no variable of the machine reach the tests."""
    for field in Settings.model_fields.values():
        monkeypatch.delenv(str(field.alias), raising=False)


@pytest.mark.parametrize("environment", ["staging", "production"])
@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("RISINGWAVE_URL", "postgresql://root:changeme@db:4566/dev"),
        ("RISINGWAVE_URL", "postgresql://root:ChangeMe@db:4566/dev"),
        ("RISINGWAVE_URL", "postgresql://root:<password>@db:4566/dev"),
        ("ELASTICSEARCH_URL", "http://elastic:password@es:9200"),
        ("KAFKA_SASL_PASSWORD", "secret"),
        ("MLFLOW_TRACKING_URI", "todo"),
    ],
)
def test_a_placeholder_is_refused_outside_development(
    monkeypatch: pytest.MonkeyPatch, environment: str, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    Settings()
    monkeypatch.setenv("CANDLEWAVE_ENV", environment)
    with pytest.raises(ValidationError, match=f"{variable} still holds a placeholder"):
        Settings()


@pytest.mark.parametrize(
    "url", ["postgresql://root:kX9-changeme-2@db/dev", "postgresql://root@db/dev", "postgresql://password:kX92@db/dev"]
)
def test_a_real_secret_is_accepted(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("CANDLEWAVE_ENV", "production")
    monkeypatch.setenv("RISINGWAVE_URL", url)
    assert Settings().risingwave_url is not None


def test_secrets_may_be_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "kafka_sasl_password").write_text("kX92\n")
    monkeypatch.setenv("CANDLEWAVE_ENV", "production")
    secret = Settings(_secrets_dir=tmp_path).kafka_sasl_password  # type: ignore[call-arg]
    assert secret is not None
    assert secret.get_secret_value() == "kX92"


def test_a_secret_file_is_checked_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "kafka_sasl_password").write_text("changeme\n")
    monkeypatch.setenv("CANDLEWAVE_ENV", "production")
    with pytest.raises(ValidationError, match="KAFKA_SASL_PASSWORD still holds a placeholder"):
        Settings(_secrets_dir=tmp_path)  # type: ignore[call-arg]


def test_settings_printed_show_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RISINGWAVE_URL", "postgresql://root:hunter2@db/dev")
    assert "hunter2" not in f"{Settings()!r} {Settings()} {Settings().model_dump_json()}"


def test_without_risingwave_the_embedded_engine_stands_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANDLEWAVE_DATA_DIR", "/somewhere")
    assert Settings().embedded
    assert Settings().runtime_file == Path("/somewhere/runtime.json")
    monkeypatch.setenv("RISINGWAVE_URL", "postgresql://root@db/dev")
    assert not Settings().embedded


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("ADMIN_PORT", "65536"),
        ("ADMIN_PORT", "ninety"),
        ("SHUTDOWN_GRACE_SECONDS", "0"),
        ("CANDLEWAVE_ENV", "prod"),
    ],
)
def test_an_impossible_value_names_its_variable(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ValidationError, match=variable):
        Settings()
