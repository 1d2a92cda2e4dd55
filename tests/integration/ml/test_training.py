"""A whole training: run, version, aliases, events; and what remains when it is stopped in the middle."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import psycopg
import pytest
from tests.integration.ml.conftest import CONFIG, SETTINGS
from tests.worlds.processes import planted

from candlewave.bus.postgres import PostgresBus
from candlewave.bus.protocol import BusUnavailableError
from candlewave.core.config import Config
from candlewave.core.settings import Settings
from candlewave.ml.baseline import LastPriceBaseline, fit_baseline
from candlewave.ml.candidates.catalog import SHIPPED
from candlewave.ml.dataset import Dataset, known_labels
from candlewave.ml.registry import CHALLENGER, CHAMPION, PREVIOUS, Registry, RegistryError, artifact_root, open_registry
from candlewave.ml.settings import TrainSettings
from candlewave.ml.train import Trained, examine, train
from candlewave.services.predictor.forecast import select
from candlewave.services.predictor.reading import read_baseline

MINUTES = 2_600
BEGIN = datetime(2026, 3, 2, tzinfo=UTC)
END = BEGIN + timedelta(minutes=MINUTES)


OTHER_RECIPE = SETTINGS.model_copy(update={"trees": SETTINGS.trees + 1})


def run(
    registry: Registry,
    bus: Any,
    artifacts: str,
    data: Dataset | None = None,
    settings: TrainSettings = SETTINGS,
    **more: Any,
) -> Trained:
    data = data if data is not None else planted(MINUTES, 0.5)
    given = {"reason": "test", "end": END, **more}
    return train(data, bus, registry, CONFIG, settings, artifact_root=artifacts, **given)


def records(bus: PostgresBus, topic: str) -> list[dict[str, Any]]:
    with bus.subscribe(f"test-{topic}", [topic]) as subscription:
        return [msgspec.json.decode(m.value or b"") for m in subscription.poll(timeout=5)]


def test_the_first_that_beats_the_last_price_becomes_champion(
    registry: Registry, bus: PostgresBus, artifacts: str
) -> None:
    trained = run(registry, bus, artifacts)
    assert (trained.version, trained.decision.promoted, trained.decision.served) == ("1", True, (1, 5))
    champion = registry.metadata(CHAMPION)
    assert champion is not None
    assert champion.served_horizons == (1, 5)
    assert champion.train_end == END
    assert champion.is_complete
    events = records(bus, "model_events")
    assert [(e["event"], e["model_version"]) for e in events] == [("registered", "1"), ("promoted", "1")]
    assert events[1]["reason"] == trained.decision.reason
    references = records(bus, "feature_reference")
    assert {r["model_version"] for r in references} == {"1"}
    assert "tell" in {r["feature"] for r in references}


def test_the_baseline_that_is_served_is_the_one_that_was_judged_against(
    registry: Registry, bus: PostgresBus, artifacts: str, database: str
) -> None:
    """Published are the widths that the baseline had at the end of the walk, and the predictor reads just these."""
    data = planted(MINUTES, 0.5)
    run(registry, bus, artifacts, data)
    model = registry.load(CHAMPION)
    assert model is not None
    published = records(bus, "baseline_spreads")
    default = LastPriceBaseline((1, 5))
    with psycopg.connect(database, autocommit=True) as conn:
        conn.execute(
            "CREATE TABLE baseline_spreads (baseline_version text, exchange text, symbol text, horizon_minutes int,"
            " volatility text, low float8, high float8, trained_until timestamptz)"
        )
        assert read_baseline(conn, default) == default
        for row in published:
            conn.execute("INSERT INTO baseline_spreads VALUES (%s, %s, %s, %s, %s, %s, %s, %s)", list(row.values()))
        served = read_baseline(conn, default)
        conn.execute(
            "INSERT INTO baseline_spreads SELECT 'training-2', exchange, symbol, horizon_minutes, volatility, low * 9,"
            " high * 9, trained_until + INTERVAL '1 day' FROM baseline_spreads WHERE symbol <> ''"
        )
        assert read_baseline(conn, default) == served, "a version that is not whole yet is not served"
    fitted = fit_baseline((1, 5), data.values[:, 0], data.labels, markets=data.markets)
    assert data.names[0] == default.volatility
    assert served.model_version == "training-1"
    followed = examine(data, CONFIG, SETTINGS, SETTINGS.boosting).followed
    expected = fitted.stretched({horizon: found.baseline_stretches for horizon, found in followed.items()})
    assert (served.spreads, served.market_spreads) == (expected.spreads, expected.market_spreads)
    assert served.market_spreads != fitted.market_spreads
    assert (model.baseline.spreads, model.baseline.market_spreads) == (fitted.spreads, fitted.market_spreads)
    np.testing.assert_array_equal(
        served.predict(select(data.matrix(), default.feature_names)),
        expected.quantiles(data.values[:, 0].astype(np.float64), data.markets),
    )


def test_the_run_keeps_parameters_metrics_per_fold_plots_and_a_signature(
    registry: Registry, bus: PostgresBus, artifacts: str
) -> None:
    trained = run(registry, bus, artifacts, warnings=["feature x is constant"])
    client = registry.client
    found = client.get_run(trained.run_id)
    assert found.info.status == "FINISHED"
    assert found.data.params["trees"] == "15"
    assert found.data.params["fingerprint"] == planted(MINUTES, 0.5).fingerprint()
    assert [m.step for m in client.get_metric_history(trained.run_id, "fold_boosted_pinball_1m")] == [0, 1, 2]
    metrics = found.data.metrics
    by_candidate = {n: metrics[f"{n}_mae_1m"] for n in SHIPPED if f"{n}_mae_1m" in metrics}
    [first] = [v for v in trained.verdicts if v.horizon_minutes == 1]
    # What the page shows is of the same rows: the chosen candidate's error and the last price's make the skill.
    assert by_candidate[found.data.params["candidate_1m"]] == pytest.approx(first.mae)
    assert metrics["last_price_mae_1m"] == pytest.approx(first.last_price_mae)
    note = found.data.tags["mlflow.note.content"]
    assert note.startswith("**Promoted**: " if trained.decision.promoted else "**Not promoted**: ")
    assert f"| 1m | {found.data.params['candidate_1m']} | {first.mae * 1e4:.3f} |" in note
    assert "- feature x is constant" in note
    assert found.data.metrics["plain_ridge_mae_1m"] < found.data.metrics["last_price_mae_1m"]
    names = {f.path for f in client.list_artifacts(trained.run_id, "plots")}
    assert names == {f"plots/{n}.png" for n in ("importance", "calibration", "error_by_hour", "forecast_vs_actual")}
    assert "warnings.json" in {f.path for f in client.list_artifacts(trained.run_id)}


def test_mlflow_itself_can_load_it_and_says_the_same(
    registry: Registry, bus: PostgresBus, artifacts: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow
    import pandas

    run(registry, bus, artifacts)
    data = planted(50, 0.5, seed=3)
    model = registry.load(CHAMPION)
    assert model is not None
    wanted = model.predict(data.matrix()).reshape(len(data), -1)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", registry.tracking_uri)
    loaded = mlflow.pyfunc.load_model(f"models:/{registry.name}@{CHAMPION}")
    frame = pandas.DataFrame({"exchange": data.exchange, "symbol": data.symbol})
    for place, name in enumerate(data.names):
        frame[name] = data.values[:, place].astype(np.float64)
    found = loaded.predict(frame)
    assert list(found.columns) == ["q10_1m", "q50_1m", "q90_1m", "q10_5m", "q50_5m", "q90_5m"]
    np.testing.assert_allclose(found.to_numpy(), wanted)


def test_mlflows_own_state_neither_matters_nor_changes(
    bus: PostgresBus, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever uses MLflow in the same process for something else is left alone."""
    import mlflow
    from mlflow.tracking._tracking_service import utils

    elsewhere = "http://127.0.0.1:9"
    settings = Settings(CANDLEWAVE_DATA_DIR=data_dir)  # type: ignore[call-arg]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", elsewhere)
    monkeypatch.setattr(utils, "_tracking_uri", elsewhere)
    registry = open_registry(settings)
    assert registry.tracking_uri.startswith("sqlite:///")
    assert run(registry, bus, str(artifact_root(settings))).decision.promoted
    assert registry.load(CHAMPION) is not None
    assert (mlflow.get_tracking_uri(), os.environ["MLFLOW_TRACKING_URI"]) == (elsewhere, elsewhere)
    assert mlflow.active_run() is None


@pytest.mark.parametrize("name", ["why?mode=ro", "a#b", "a%3Fb"])
def test_a_folder_whose_name_has_a_meaning_in_addresses_holds_the_registry(tmp_path: Path, name: str) -> None:
    registry = open_registry(Settings(CANDLEWAVE_DATA_DIR=tmp_path / name))  # type: ignore[call-arg]
    assert registry.versions() == []
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.db")] == [f"{name}/mlflow/mlflow.db"]


def test_no_skill_is_registered_as_challenger_and_the_baseline_serves(
    registry: Registry, bus: PostgresBus, artifacts: str
) -> None:
    trained = run(registry, bus, artifacts, planted(MINUTES, 0.0))
    assert not trained.decision.promoted
    assert trained.decision.reason.startswith("no skill against the last price on any horizon")
    assert registry.load(CHAMPION) is None
    challenger = registry.metadata(CHALLENGER)
    assert challenger is not None
    assert challenger.served_horizons == ()
    assert [e["event"] for e in records(bus, "model_events")] == ["registered", "rejected"]


def test_a_champion_that_went_bad_is_replaced_and_kept_for_a_rollback(
    registry: Registry, bus: PostgresBus, artifacts: str
) -> None:
    """The signal turns round; the second training sees a half of each, and forecasts later data better."""
    first = run(registry, bus, artifacts)
    assert first.decision.promoted
    again = planted(MINUTES, -0.5, seed=2)
    later = END + timedelta(minutes=MINUTES)
    moved = Dataset(
        again.exchange,
        again.symbol,
        again.open_time + np.timedelta64(MINUTES, "m"),
        again.close,
        again.names,
        again.values,
        again.labels,
    )
    second = run(registry, bus, artifacts, moved, end=later)
    assert second.decision.promoted
    assert "better than version 1 on data that both had not seen" in second.decision.reason
    champion, previous = registry.metadata(CHAMPION), registry.metadata(PREVIOUS)
    assert champion is not None
    assert previous is not None
    assert (champion.version, previous.version) == ("2", "1")
    registry.promote("1", previous.served_horizons)
    assert [registry.version(alias) for alias in (CHAMPION, PREVIOUS)] == ["1", "2"]


def test_a_champion_is_kept_when_the_new_one_is_no_better(registry: Registry, bus: PostgresBus, artifacts: str) -> None:
    data = planted(2 * MINUTES, 0.5)
    end = BEGIN + timedelta(minutes=2 * MINUTES)
    earlier = end - timedelta(minutes=1_250)
    run(registry, bus, artifacts, known_labels(data, earlier), end=earlier)
    second = run(registry, bus, artifacts, data, OTHER_RECIPE, end=end)
    assert not second.decision.promoted
    assert "not better than version 1" in second.decision.reason
    assert registry.version(CHAMPION) == "1"
    assert registry.version(CHALLENGER) == "2"
    confirmed = [e for e in records(bus, "model_events") if e["event"] == "confirmed"]
    assert [(e["model_version"], e["occurred_at"]) for e in confirmed] == [("1", "2026-03-05T14:40:00Z")]
    assert confirmed[0]["reason"].startswith("version 2 is not better: not better than version 1")
    # Another one an hour later, while version 2 still has to show what it is worth beside the champion.
    third = run(registry, bus, artifacts, data, OTHER_RECIPE, end=end, at=end + timedelta(hours=1))
    assert third.decision.reason.endswith("; version 2 stays the challenger")
    assert [registry.version(alias) for alias in (CHAMPION, CHALLENGER)] == ["1", "2"]


def test_newer_data_refresh_the_champion_of_the_same_recipe(
    registry: Registry, bus: PostgresBus, artifacts: str
) -> None:
    data = planted(2 * MINUTES, 0.5)
    end = BEGIN + timedelta(minutes=2 * MINUTES)
    earlier = end - timedelta(minutes=1_250)
    run(registry, bus, artifacts, known_labels(data, earlier), end=earlier)
    second = run(registry, bus, artifacts, data, end=end)
    assert second.decision.reason.startswith("refreshes version 1: of the same recipe, trained on newer data")
    assert [registry.version(alias) for alias in (CHAMPION, CHALLENGER, PREVIOUS)] == ["2", None, "1"]


@pytest.mark.parametrize(
    ("features", "horizons", "words"),
    [
        (3, (1, 5), "the view features lacks nothing of the model's features and has ['noise_2']"),
        (2, (10,), "it forecasts 1m, 5m only"),
    ],
)
def test_a_champion_that_cannot_forecast_what_is_wanted_now_stands_in_nobodys_way(
    registry: Registry, bus: PostgresBus, artifacts: str, features: int, horizons: tuple[int, ...], words: str
) -> None:
    """Nobody is served by it: waiting until enough minutes can be compared would be waiting for ever."""
    run(registry, bus, artifacts)
    config = Config.model_validate({"predictions": {"horizons_minutes": horizons}})
    data = planted(2 * MINUTES, 0.5 if 1 in horizons else 0.9, noise_columns=features, horizons=horizons)
    end = BEGIN + timedelta(minutes=2 * MINUTES)
    second = train(data, bus, registry, config, SETTINGS, reason="test", end=end, artifact_root=artifacts)
    assert second.decision.promoted
    assert f"; version 1 could not be compared with: {words}" in second.decision.reason
    assert registry.version(CHAMPION) == "2"


class Stop(Exception):  # noqa: N818
    """Somebody ends the training."""


def _stop() -> None:
    raise Stop


class NoBus:
    def publish(self, *_: object) -> None:
        raise BusUnavailableError("the bus is away")


def test_stopped_while_fitting_nothing_is_left(registry: Registry, bus: PostgresBus, artifacts: str) -> None:
    with pytest.raises(Stop):
        run(registry, bus, artifacts, on_fit=_stop)
    assert registry.versions() == []
    assert records(bus, "model_events") == []


@pytest.mark.parametrize("broken", ["plots.save_all", "write_model"])
def test_a_run_that_cannot_be_written_is_marked_and_no_version_is_made(
    registry: Registry, bus: PostgresBus, artifacts: str, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(f"candlewave.ml.tracking.{broken}", fail)
    with pytest.raises(RegistryError, match=r"cannot write run \w+: disk full"):
        run(registry, bus, artifacts)
    assert registry.versions() == []
    client = registry.client
    experiment = client.get_experiment_by_name("candlewave-training")
    newest = client.search_runs([experiment.experiment_id], order_by=["attributes.start_time DESC"], max_results=1)[0]
    assert newest.info.status == "FAILED"


@pytest.mark.parametrize("at", ["bus", "alias"])
def test_a_version_whose_training_did_not_end_counts_for_nothing(
    registry: Registry, bus: PostgresBus, artifacts: str, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    if at == "bus":
        with pytest.raises(BusUnavailableError):
            run(registry, NoBus(), artifacts)
    else:
        with monkeypatch.context() as patch:

            def fail(*_: object) -> None:
                raise RegistryError("gone")

            patch.setattr(Registry, "set_alias", fail)
            with pytest.raises(RegistryError, match="gone"):
                run(registry, bus, artifacts)
    assert registry.newest() is None
    assert registry.version(CHAMPION) is None
    trained = run(registry, bus, artifacts)
    assert trained.version == "2"
    newest = registry.newest()
    assert newest is not None
    assert newest.version == "2"


def test_a_bus_that_goes_after_the_promotion_takes_it_back(
    registry: Registry, bus: PostgresBus, artifacts: str
) -> None:
    class Goes:
        def publish(self, topic: str, messages: Any) -> None:
            if topic == "model_events":
                raise BusUnavailableError("the bus went")
            bus.publish(topic, messages)

    with pytest.raises(BusUnavailableError):
        run(registry, Goes(), artifacts)
    assert registry.newest() is None
    assert [registry.version(alias) for alias in (CHAMPION, CHALLENGER, PREVIOUS)] == [None, None, None]


def test_a_registry_that_is_away(bus: PostgresBus, artifacts: str, elsewhere: Path) -> None:
    away = Registry("http://me:hunter2@127.0.0.1:9", "candlewave", elsewhere)
    with pytest.raises(RegistryError, match=r"cannot look up alias champion in the model registry: .*//127\.") as told:
        run(away, bus, artifacts)
    assert "hunter2" not in str(told.value)


@pytest.fixture
def trained(registry: Registry, bus: PostgresBus, artifacts: str) -> Trained:
    return run(registry, bus, artifacts)


def _answers(registry: Registry) -> Any:
    model = registry.load(CHAMPION)
    assert model is not None
    return model.predict(planted(20, 0.5).matrix())


@pytest.mark.usefixtures("trained")
def test_the_last_model_is_on_disk_when_the_registry_goes(registry: Registry, elsewhere: Path) -> None:
    here = Registry(registry.tracking_uri, registry.name, elsewhere)
    wanted = _answers(here)
    cut = Registry("http://127.0.0.1:9", registry.name, elsewhere)
    np.testing.assert_array_equal(_answers(cut), wanted)
    assert cut.version(CHAMPION) == "1"
    kept = cut.load(CHAMPION)
    assert kept is not None
    assert kept.served_horizons == (1, 5), "an outage takes nothing from what users are served"
    with pytest.raises(RegistryError):
        cut.load(CHALLENGER)


@pytest.mark.usefixtures("trained")
def test_a_damaged_file_is_fetched_again(registry: Registry, elsewhere: Path) -> None:
    here = Registry(registry.tracking_uri, registry.name, elsewhere)
    wanted = _answers(here)
    path = elsewhere / registry.name / "1" / "model.json"
    path.write_text("{}")
    np.testing.assert_array_equal(_answers(here), wanted)
    path.unlink()
    np.testing.assert_array_equal(_answers(here), wanted)


def test_a_model_that_is_damaged_in_the_registry_is_refused(
    registry: Registry, trained: Trained, elsewhere: Path
) -> None:
    source = registry.client.get_run(trained.run_id).info.artifact_uri.removeprefix("file://")
    next((Path(source) / "model" / "1m").iterdir()).write_text("tree")
    with pytest.raises(RegistryError, match=r"version 1 of .* is damaged"):
        Registry(registry.tracking_uri, registry.name, elsewhere).load(CHAMPION)
