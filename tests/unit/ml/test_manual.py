"""docs/models.md names every setting and metric there is, with its default."""

import re

from prometheus_client import REGISTRY

from candlewave.core.paths import project_root
from candlewave.ml.settings import TrainSettings
from candlewave.services.trainer import metrics

TEXT = (project_root() / "docs" / "models.md").read_text(encoding="utf-8")


def test_every_setting_is_in_the_manual_with_its_default() -> None:
    written: dict[str, str] = {}
    for names, defaults in re.findall(r"^\| (`[A-Z_`, ]+`) \| ([^|]+) \|", TEXT, re.M):
        found = re.findall(r"`([A-Z_]+)`", names)
        written |= dict(zip(found, defaults.strip().split(", "), strict=True))
    own = TrainSettings.load()
    wanted = {field.alias: getattr(own, name) for name, field in TrainSettings.model_fields.items()}
    assert {name: type(wanted[name])(text) for name, text in written.items()} == wanted


def test_every_metric_is_in_the_manual() -> None:
    assert metrics.RUNS
    exported = {name for name in REGISTRY._names_to_collectors if name.startswith("candlewave_trainer_")}
    families = {re.sub(r"_(bucket|sum|count|created)$", "", name) for name in exported}
    written = set(re.findall(r"`(candlewave_trainer_\w+)", TEXT))
    assert {name.removesuffix("_total") for name in families} == {name.removesuffix("_total") for name in written}
