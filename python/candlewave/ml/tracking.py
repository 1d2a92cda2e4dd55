"""What a training leaves in MLflow: parameters, metrics per fold, plots, the model with its signature."""

import json
import tempfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from candlewave.ml import plots
from candlewave.ml.candidates.parameters import BoostingParameters
from candlewave.ml.examined import Examined
from candlewave.ml.forecaster import QUANTILES
from candlewave.ml.model import QuantileModel
from candlewave.ml.promote import Decision
from candlewave.ml.registry import Registry, RegistryError, in_a_line, write_checksums
from candlewave.ml.scores import coverage, interval_loss, pinball, saved

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXPERIMENT = "candlewave-training"


def log_training(
    registry: Registry,
    artifact_root: str | None,
    examined: Examined,
    model: QuantileModel,
    decision: Decision,
    parameters: BoostingParameters,
    *,
    reason: str,
    end: datetime,
) -> tuple[str, str]:
    """Write one finished run; return its id and the address of the model's files.

    Raises:
        RegistryError: MLflow refused or is down; a run that was begun is marked as failed.
    """
    try:
        client = registry.client
        run = client.create_run(
            _experiment(client, artifact_root),
            run_name=f"{registry.name} {end:%Y-%m-%d %H:%M}",
            tags={
                "reason": reason[:400],
                "decision": decision.reason[:4_000],
                "train_end": end.isoformat(),
                "mlflow.note.content": describe(examined, decision, reason),
            },
        )
    except Exception as error:
        raise RegistryError(f"cannot begin a run: {in_a_line(error)}") from error
    run_id = run.info.run_id
    try:
        for name, value in _parameters(examined, parameters).items():
            client.log_param(run_id, name, value)
        _metrics(client, run_id, examined)
        with tempfile.TemporaryDirectory(prefix="candlewave-run-") as name:
            folder = Path(name)
            plots.save_all(folder / "plots", examined, model)
            write_model(folder / "model", model, run_id)
            (folder / "warnings.json").write_text(json.dumps(examined.warnings, indent=1), encoding="utf-8")
            client.log_artifacts(run_id, str(folder))
        client.set_terminated(run_id, "FINISHED")
    except BaseException as error:
        _fail(client, run_id)
        if isinstance(error, Exception):
            raise RegistryError(f"cannot write run {run_id}: {in_a_line(error)}") from error
        raise
    return run_id, f"{run.info.artifact_uri}/model"


def write_model(folder: Path, model: QuantileModel, run_id: str | None = None) -> None:
    """Write a model's files with MLflow's description of them, and checksums of all."""
    from mlflow import pyfunc
    from mlflow.models import Model, ModelSignature
    from mlflow.types import ColSpec, DataType, Schema, TensorSpec

    model.save(folder)
    texts: list[ColSpec | TensorSpec] = [ColSpec(DataType.string, name) for name in ("exchange", "symbol")]
    numbers: list[ColSpec | TensorSpec] = [ColSpec(DataType.double, name) for name in model.feature_names]
    answers: list[ColSpec | TensorSpec] = [
        ColSpec(DataType.double, f"q{round(100 * q)}_{h}m") for h in model.horizons_minutes for q in QUANTILES
    ]
    described = Model(
        artifact_path="model", run_id=run_id, signature=ModelSignature(Schema(texts + numbers), Schema(answers))
    )
    pyfunc.add_to_model(described, loader_module="candlewave.ml.pyfunc", data=".")
    described.save(str(folder / "MLmodel"))
    write_checksums(folder)


def _experiment(client: "MlflowClient", artifact_root: str | None) -> str:
    found = client.get_experiment_by_name(EXPERIMENT)
    if found is not None:
        return str(found.experiment_id)
    return str(client.create_experiment(EXPERIMENT, artifact_location=artifact_root))


def _fail(client: "MlflowClient", run_id: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.set_terminated(run_id, "FAILED")
    except MlflowException:
        return  # the registry is gone; the run stays as begun, and no version points at it


def _parameters(examined: Examined, parameters: BoostingParameters) -> Mapping[str, Any]:
    data = examined.data
    return {
        **{field: getattr(parameters, field) for field in BoostingParameters.__dataclass_fields__},
        "source": data.source,
        "rows": len(data),
        "markets": ", ".join(np.unique(data.markets).tolist())[:500],
        "begin": str(data.open_time.min()),
        "end": str(data.open_time.max()),
        "features": len(data.names),
        "fingerprint": data.fingerprint(),
        "folds": len(examined.folds),
        **{f"candidate_{horizon}m": name for horizon, name in examined.chosen.items()},
    }


def _metrics(client: "MlflowClient", run_id: str, examined: Examined) -> None:
    """Write ``<candidate>_<figure>_<horizon>m`` over all folds together, and ``fold_…`` with a step per fold.

    MLflow's page shows a metric's last value: without the prefix, one's last fold would stand beside another's whole.
    """
    for horizon, walked in examined.walked.items():
        for name, outcome in walked.candidates.items():
            figures = {
                "pinball": pinball(outcome.quantiles, outcome.realised),
                "mae": np.abs(outcome.realised - outcome.quantiles[:, 1]),
                "coverage": coverage(outcome.quantiles, outcome.realised).astype(np.float64),
                "last_price_mae": np.abs(outcome.realised),
            }
            for figure, values in figures.items():
                label = f"{figure}_{horizon}m" if figure == "last_price_mae" else f"{name}_{figure}_{horizon}m"
                client.log_metric(run_id, label, float(values.mean()))
                for fold in range(len(examined.folds)):
                    chosen = walked.fold == fold
                    if chosen.any():  # else a hole in the history: nothing of that time has a label
                        client.log_metric(run_id, f"fold_{label}", float(values[chosen].mean()), step=fold)
            ends = (interval_loss(of, outcome.realised) for of in (outcome.quantiles, outcome.baseline))
            client.log_metric(run_id, f"{name}_skill_{horizon}m", saved(figures["mae"], figures["last_price_mae"]))
            client.log_metric(run_id, f"{name}_interval_skill_{horizon}m", saved(*ends))
        for name, error in walked.errors.items():
            client.log_metric(run_id, f"{name}_mae_{horizon}m", error)


def describe(examined: Examined, decision: Decision, reason: str) -> str:
    """Return the run's description on MLflow's page: the verdict, and the figures that it rests on."""
    lines = [
        f"**{'Promoted' if decision.promoted else 'Not promoted'}**: {decision.reason}",
        "",
        f"Trained because: {reason}. Errors are mean absolute errors in basis points, on data the folds had not seen.",
        "",
        "| ahead | candidate | error | last price | skill, 95 % over all horizons together | forecasts |",
        "|---|---|---|---|---|---|",
    ]
    for v in examined.verdicts:
        low, value, high = (100 * figure for figure in (v.skill.low, v.skill.value, v.skill.high))
        lines.append(
            f"| {v.horizon_minutes}m | {examined.chosen[v.horizon_minutes]} | {v.mae * 1e4:.3f} |"
            f" {v.last_price_mae * 1e4:.3f} | {value:+.2f} % [{low:+.2f}, {high:+.2f}] | {v.forecasts:,} |"
        )
    return "\n".join([*lines, "", *(f"- {warning}" for warning in examined.warnings)])
