"""Whether a champion can be used with the features there are."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import pytest
from tests.fakes.forecasters import FakeForecaster, FakeVersion

from candlewave.ml.model import ModelFormatError
from candlewave.ml.registry import Registry
from candlewave.ml.usable import champion_problem


@dataclass
class OneChampion:
    """A registry with one version, or none."""

    champion: FakeVersion | None
    unreadable: bool = False

    def metadata(self, alias: str) -> FakeVersion | None:
        assert alias == "champion"
        return self.champion

    def load_version(self, version: FakeVersion) -> FakeForecaster:
        assert version is self.champion
        if self.unreadable:
            raise ModelFormatError("format 1, this version of candlewave reads 2")
        return FakeForecaster(version.version, feature_names=("a", "b"))


def problem(names: Sequence[str], feature_set: str, trained_on: str | None = "set-1") -> str | None:
    version = FakeVersion("3", (1,), feature_set=trained_on)
    return champion_problem(cast(Registry, OneChampion(version)), names, feature_set)


@pytest.mark.parametrize(
    ("names", "feature_set", "said"),
    [
        (["a"], "set-2", "version 3 was trained on other features: b is gone"),
        (["a", "b", "c"], "set-2", "version 3 was trained on other features: c is new"),
        (["c", "d"], "set-2", "version 3 was trained on other features: a, b are gone, c, d are new"),
        (["b", "a"], "set-2", "version 3 was trained on the features in another order"),
        (["a", "b"], "set-2", "version 3 was trained on features of the same names that are computed in another way"),
        (["a", "b"], "set-1", None),
    ],
)
def test_what_differs_is_named(names: list[str], feature_set: str, said: str | None) -> None:
    assert problem(names, feature_set) == said


def test_a_version_of_which_the_set_was_not_noted_is_judged_by_names() -> None:
    assert problem(["a", "b"], "set-2", trained_on=None) is None


def test_a_champion_that_an_older_version_of_candlewave_saved_is_named_as_such() -> None:
    registry = cast(Registry, OneChampion(FakeVersion("3", (1,)), unreadable=True))
    said = champion_problem(registry, ["a"], "set-1")
    assert said == "version 3 is of another version of candlewave: format 1, this version of candlewave reads 2"


def test_without_a_champion_there_is_nothing_to_lose() -> None:
    assert champion_problem(cast(Registry, OneChampion(None)), ["a"], "set-1") is None
