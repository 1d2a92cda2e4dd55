"""What news is read and which assets are recognised: ``news.toml``."""

import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from candlewave.core.errors import CandlewaveError, in_words
from candlewave.services.sentiment.sources import KINDS
from candlewave.services.sentiment.sources.base import SourceConfig


class NewsConfigError(CandlewaveError):
    """The news configuration cannot be used; the text says where, what was found and what was expected."""


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AssetConfig(_Table):
    """How an asset is recognised; see ``news.toml``."""

    names: tuple[str, ...] = ()
    weak: tuple[str, ...] = ()
    ambiguous: bool = False
    context: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    @field_validator("names", "weak", "context", "exclude")
    @classmethod
    def _lower(cls, words: tuple[str, ...]) -> tuple[str, ...]:
        if any(not word.strip() for word in words):
            raise ValueError("an empty name matches everything")
        return tuple(" ".join(word.lower().split()) for word in words)


class NewsConfig(_Table):
    """The whole of ``news.toml``."""

    poll_seconds: Annotated[float, Field(gt=0)] = 120.0
    all_assets: tuple[str, ...] = ()
    sources: tuple[SourceConfig, ...] = ()
    assets: dict[str, AssetConfig] = {}

    @field_validator("sources")
    @classmethod
    def _known(cls, sources: tuple[SourceConfig, ...]) -> tuple[SourceConfig, ...]:
        for source in sources:
            if source.kind not in KINDS:
                raise ValueError(f"source {source.name!r}: kind {source.kind!r} is not one of {', '.join(KINDS)}")
            KINDS[source.kind].check(source)
        names = [source.name for source in sources]
        repeated = next((name for name in names if names.count(name) > 1), None)
        if repeated is not None:
            raise ValueError(f"two sources are named {repeated!r}")
        return sources


def load_news_config(path: Path | None = None) -> NewsConfig:
    """Read the shipped ``news.toml``, and a user's own over it.

    Raises:
        NewsConfigError: a file is missing, not TOML, or holds an unknown or impossible value.
    """
    shipped = files("candlewave.services.sentiment").joinpath("news.toml").read_text(encoding="utf-8")
    raw = tomllib.loads(shipped)
    where = "news.toml"
    if path is not None:
        where = str(path)
        try:
            theirs = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise NewsConfigError(f"{path}: {error}") from None
        except tomllib.TOMLDecodeError as error:
            raise NewsConfigError(f"{path}: not TOML: {error}") from None
        raw = _over(raw, theirs)
    try:
        return NewsConfig.model_validate(raw)
    except ValidationError as error:
        raise NewsConfigError(f"{where}: {in_words(error, show_values=True)}") from None


def _over(shipped: dict[str, Any], theirs: dict[str, Any]) -> dict[str, Any]:
    merged = {**shipped, **theirs}
    if isinstance(theirs.get("assets"), dict):
        merged["assets"] = {**shipped["assets"], **theirs["assets"]}
    return merged
