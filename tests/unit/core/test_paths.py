"""Which project the working directory is in, and what follows from it for settings and configuration."""

from pathlib import Path

import pytest

from candlewave.core.config import ConfigError, load_config
from candlewave.core.paths import own_root, project_root, sql_folders
from candlewave.core.settings import Settings


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project; the working directory is one of its folders."""
    for name in ("CANDLEWAVE_DATA_DIR", "CANDLEWAVE_CONFIG", "LOG_LEVEL"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "desk" / "sql" / "views"
    folder.mkdir(parents=True)
    (tmp_path / "desk" / "candlewave.toml").write_text('[project]\nname = "desk"\n[indicators]\nrsi = 7\n')
    monkeypatch.chdir(folder)
    return tmp_path / "desk"


def test_a_project_is_found_from_its_folders_and_is_above_golden_cases(
    desk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert own_root() == desk
    assert sql_folders() == (project_root() / "sql", desk / "sql")
    case = desk / "golden" / "view" / "case"
    case.mkdir(parents=True)
    (case / "candlewave.toml").write_text("[indicators]\nrsi = 9\n")
    monkeypatch.chdir(case)
    assert own_root() == desk
    monkeypatch.chdir(desk.parent)
    assert own_root() is None


def test_a_checkout_is_no_project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project_root() / "sql")
    assert own_root() is None
    assert sql_folders() == (project_root() / "sql",)


def test_configuration_data_and_settings_are_those_of_the_project(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (desk / ".env").write_text("LOG_LEVEL=ERROR\nSOMETHING_ELSE=1\n")
    config = load_config()
    assert (config.indicators.rsi, config.project and config.project.name) == (7, "desk")
    assert (Settings.load().data_dir, Settings.load().log_level) == (desk / ".candlewave", "ERROR")
    monkeypatch.setenv("LOG_LEVEL", "DEBUG")
    assert Settings.load().log_level == "DEBUG"
    monkeypatch.chdir(desk.parent)
    monkeypatch.delenv("LOG_LEVEL")
    assert (Settings.load().data_dir, Settings.load().log_level) == (Path(".candlewave"), "INFO")


def test_a_mistake_in_the_file_is_reported_and_hides_no_project(desk: Path) -> None:
    (desk / "candlewave.toml").write_text("[project]\nname = \n")
    assert own_root() == desk
    with pytest.raises(ConfigError, match="not TOML"):
        load_config()
