"""The Jinja environment that the templates of ``sql/`` are rendered in."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, StrictUndefined


def template_environment(folders: Sequence[Path], names: Mapping[str, object]) -> Environment:
    """Return an environment for templates of ``sql`` folders.

    Args:
        folders: where templates are looked up, the first first.
        names: what every template sees.
    """
    environment = Environment(
        loader=ChoiceLoader([FileSystemLoader(folder) for folder in folders]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=False,
        autoescape=False,
    )
    environment.globals.update(names)
    return environment
