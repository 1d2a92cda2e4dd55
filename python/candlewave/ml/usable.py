"""Whether the champion can be used with a set of features."""

from collections.abc import Sequence

from candlewave.ml.model import ModelFormatError
from candlewave.ml.registry import CHAMPION, Registry

_SHOWN = 5


def champion_problem(registry: Registry, names: Sequence[str], feature_set: str) -> str | None:
    """Return why the champion cannot forecast from these features, None when it can or when there is no champion.

    Args:
        registry: the registry.
        names: the features, in order.
        feature_set: their identity, as ``feature_catalog`` has it.

    Raises:
        RegistryError: the registry is down.
    """
    version = registry.metadata(CHAMPION)
    if version is None:
        return None
    try:
        trained_on = registry.load_version(version).feature_names
    except ModelFormatError as error:
        return f"version {version.version} is of another version of candlewave: {error}"
    gone = [name for name in trained_on if name not in names]
    new = [name for name in names if name not in trained_on]
    if gone or new:
        parts = [f"{_some(gone)} {'is' if len(gone) == 1 else 'are'} gone"] if gone else []
        parts += [f"{_some(new)} {'is' if len(new) == 1 else 'are'} new"] if new else []
        return f"version {version.version} was trained on other features: {', '.join(parts)}"
    if trained_on != tuple(names):
        return f"version {version.version} was trained on the features in another order"
    if version.feature_set is not None and version.feature_set != feature_set:
        return f"version {version.version} was trained on features of the same names that are computed in another way"
    return None


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{', '.join(names[:_SHOWN])}{more}"
