"""A registry of the test's own (MLflow on SQLite and files), and a bus."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from candlewave.bus.postgres import PostgresBus
from candlewave.contracts.topics import TOPICS
from candlewave.core.config import Config
from candlewave.core.settings import Settings
from candlewave.ml.registry import Registry, artifact_root, open_registry
from candlewave.ml.settings import TrainSettings

CONFIG = Config.model_validate({"predictions": {"horizons_minutes": [1, 5]}})
SETTINGS = TrainSettings(  # type: ignore[call-arg]
    TRAIN_TREES=15,
    TRAIN_LEARNING_RATE=0.2,
    TRAIN_LEAVES=7,
    TRAIN_THREADS=1,
    TRAIN_FOLDS=3,
    TRAIN_MIN_HISTORY_MINUTES=600,
)


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(CANDLEWAVE_DATA_DIR=tmp_path_factory.mktemp("registry"))  # type: ignore[call-arg]


@pytest.fixture
def registry(settings: Settings, request: pytest.FixtureRequest) -> Registry:
    """A registered model of the test's own name: making MLflow's tables takes seconds."""
    return open_registry(settings, f"test-{hashlib.sha256(request.node.name.encode()).hexdigest()[:12]}")


@pytest.fixture(scope="session")
def artifacts(settings: Settings) -> str:
    root = artifact_root(settings)
    assert root is not None
    return root


@pytest.fixture
def bus(database: str) -> Iterator[PostgresBus]:
    with PostgresBus(database) as opened:
        opened.install()
        opened.ensure_topics(TOPICS.values())
        yield opened


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A cache of models on another machine."""
    return tmp_path / "models"
