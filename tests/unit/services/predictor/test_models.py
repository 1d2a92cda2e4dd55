"""Models follow their aliases; whatever goes wrong on the way, somebody can forecast."""

import pytest
from prometheus_client import REGISTRY
from tests.fakes.forecasters import FakeForecaster, FakeRegistry, FakeVersion

from candlewave.services.predictor.models import Models, ModelWatch, roles

BASELINE = FakeForecaster(model_name="baseline", feature_names=("b",))


def watch(registry: FakeRegistry) -> ModelWatch:
    return ModelWatch(registry, BASELINE)


def info() -> set[tuple[str, str, str]]:
    return {
        (s.labels["model_name"], s.labels["model_version"], s.labels["role"])
        for metric in REGISTRY.collect()
        if metric.name == "candlewave_predictor_model_info"
        for s in metric.samples
    }


def fallbacks(reason: str) -> float:
    return REGISTRY.get_sample_value("candlewave_predictor_fallbacks_total", {"reason": reason}) or 0.0


def test_a_changed_alias_is_loaded_once_and_a_removed_one_forgotten() -> None:
    registry = FakeRegistry({"champion": FakeForecaster("1")})
    following = watch(registry)
    assert following.models == Models(BASELINE)
    for version, loads in (("1", 1), ("1", 1), ("2", 2)):
        registry.models["champion"] = FakeForecaster(version)
        following.refresh()
        assert following.models.champion is not None
        assert following.models.champion.model_version == version
        assert registry.loads == loads
    assert info() >= {("candlewave", "2", "champion")}
    del registry.models["champion"]
    following.refresh()
    assert following.models.champion is None
    assert ("candlewave", "2", "champion") not in info()


def test_a_new_baseline_is_used_at_once_and_kept_by_a_refresh() -> None:
    following = watch(FakeRegistry({"champion": FakeForecaster("1")}))
    fitted = FakeForecaster("training-1", model_name="baseline", feature_names=("b",))
    following.use_baseline(fitted)
    following.refresh()
    assert following.models.baseline is fitted
    assert following.models.champion is not None
    assert {version for name, version, _ in info() if name == "baseline"} == {"training-1"}


def test_an_outage_keeps_the_loaded_model_is_counted_and_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    registry = FakeRegistry({"champion": FakeForecaster("1")})
    following = watch(registry)
    following.refresh()
    before = fallbacks("registry")
    registry.down = True
    registry.models["champion"] = FakeForecaster("2")
    for _ in range(3):
        following.refresh()
    assert following.models.champion is not None
    assert following.models.champion.model_version == "1"
    assert "connection refused" in (following.problem or "")
    assert fallbacks("registry") - before == 3 * 2  # champion and challenger
    assert capsys.readouterr().out.count("cannot follow an alias") == 2
    registry.down = False
    following.refresh()
    assert following.problem is None
    assert following.models.champion.model_version == "2"


def test_without_registry_from_the_start_the_baseline_forecasts_until_it_is_back() -> None:
    registry = FakeRegistry({"champion": FakeForecaster("1")}, down=True)
    following = watch(registry)
    following.refresh()
    assert following.models == Models(BASELINE)
    registry.down = False
    following.refresh()
    assert following.models.champion is not None


def test_without_registry_from_the_start_the_last_model_on_disk_forecasts() -> None:
    registry = FakeRegistry({"champion": FakeForecaster("2")}, {"champion": FakeForecaster("1")}, down=True)
    following = watch(registry)
    before = fallbacks("registry")
    for _ in range(2):
        following.refresh()
        assert following.models.champion is not None
        assert following.models.champion.model_version == "1"
    assert fallbacks("registry") - before == 2 * 2
    registry.down = False
    following.refresh()
    assert following.models.champion.model_version == "2"
    assert following.problem is None


def test_horizons_that_a_version_may_serve_from_now_on_are_followed() -> None:
    registry = FakeRegistry({"champion": FakeForecaster("1", served_horizons=(1,))})
    following = watch(registry)
    following.refresh()
    registry.models["champion"] = FakeForecaster("1", served_horizons=(1, 5))
    following.refresh()
    assert following.models.champion is not None
    assert following.models.champion.served_horizons == (1, 5)


def test_a_model_that_cannot_be_loaded_leaves_the_old_one_and_is_tried_again() -> None:
    registry = FakeRegistry({"champion": FakeForecaster("1")})
    following = watch(registry)
    following.refresh()
    registry.models["champion"] = FakeForecaster("2")
    registry.broken = ValueError("truncated file")
    following.refresh()
    assert following.models.champion is not None
    assert following.models.champion.model_version == "1"
    assert following.problem == "champion: ValueError: truncated file"
    registry.broken = None
    following.refresh()
    assert following.models.champion.model_version == "2"


def test_a_challenger_that_became_champion_forecasts_once() -> None:
    registry = FakeRegistry({"champion": FakeForecaster("1"), "challenger": FakeForecaster("2")})
    following = watch(registry)
    following.refresh()
    assert following.models.challenger is not None
    registry.models["champion"] = FakeForecaster("2")
    following.refresh()
    assert following.models.challenger is None
    registry.models["challenger"] = FakeForecaster("3")
    following.refresh()
    assert following.models.challenger is not None


def test_a_champion_that_is_taken_back_leaves_the_challenger_it_was() -> None:
    registry = FakeRegistry({"champion": FakeForecaster("1"), "challenger": FakeForecaster("2")})
    following = watch(registry)
    following.refresh()
    for champion, challenger in (("2", None), ("1", "2")):
        registry.models["champion"] = FakeForecaster(champion)
        following.refresh()
        found = following.models.challenger
        assert (None if found is None else found.model_version) == challenger


def test_a_model_from_disk_that_the_registry_does_not_know_any_more_is_forgotten() -> None:
    registry = FakeRegistry({}, {"champion": FakeForecaster("1")}, down=True)
    following = watch(registry)
    following.refresh()
    assert following.models.champion is not None
    registry.down = False
    following.refresh()
    assert following.models == Models(BASELINE)
    assert following.problem is None


def test_tags_that_nobody_can_read_end_nothing() -> None:
    class Nonsense(FakeRegistry):
        """Somebody has edited a version's tags by hand."""

        edited = True

        def metadata(self, alias: str) -> FakeVersion | None:
            if self.edited:
                raise ValueError("served_horizons: expected an array")
            return super().metadata(alias)

    registry = Nonsense({"champion": FakeForecaster("1")})
    registry.edited = False
    following = watch(registry)
    following.refresh()
    registry.edited = True
    following.refresh()
    assert following.models.champion is not None
    assert following.models.champion.model_version == "1"
    assert "expected an array" in (following.problem or "")
    registry.edited = False
    registry.models["champion"] = FakeForecaster("2")
    following.refresh()
    assert following.models.champion.model_version == "2"
    assert following.problem is None


def test_roles_follow_the_horizons_a_champion_serves_and_the_baseline_is_last() -> None:
    champion = FakeForecaster("2", horizons_minutes=(1, 5, 15), served_horizons=(5,))
    challenger = FakeForecaster("3")
    baseline = FakeForecaster(model_name="baseline", horizons_minutes=(1, 5))
    found = roles(Models(baseline, champion, challenger), (1, 5))
    assert [(model.model_version, role) for model, role in found] == [
        ("2", {1: "challenger", 5: "champion"}),
        ("3", {1: "challenger", 5: "challenger"}),
        ("1", {1: "baseline", 5: "baseline"}),
    ]
