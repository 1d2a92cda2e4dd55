"""What news is read and which assets are recognised: ``news.toml``."""

import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from candlewave.core.errors import CandlewaveError, in_words

SourceKind = Literal["rss", "cryptopanic", "newsapi", "files", "simulated"]


class NewsConfigError(CandlewaveError):
    """The news configuration cannot be used; the text says where, what was found and what was expected."""


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SourceConfig(_Table):
    """One source of articles.

    Attributes:
        name: unique; stored with each article.
        kind: which protocol it speaks.
        url: address of feeds and APIs.
        path: file or folder of kind ``files``.
        query: what NewsAPI is asked for.
        poll_seconds: how often it is asked; the common value if None.
        allow_private: its own host may have a private address, for a mirror inside the network; redirects still may not
            lead to another one.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,40}$")]
    kind: SourceKind
    url: str | None = None
    path: Path | None = None
    query: str | None = None
    poll_seconds: Annotated[float, Field(gt=0)] | None = None
    allow_private: bool = False

    @model_validator(mode="after")
    def _place(self) -> "SourceConfig":
        wanted = {"files": "path", "simulated": None}.get(self.kind, "url")
        if (wanted == "path") != (self.path is not None) or (wanted == "url") != (self.url is not None):
            raise ValueError("kind files needs path, kind simulated needs neither path nor url, every other needs url")
        if self.url is not None and not self.url.startswith(("http://", "https://")):
            raise ValueError(f"url {self.url!r} is neither http nor https")
        return self


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
    def _unique(cls, sources: tuple[SourceConfig, ...]) -> tuple[SourceConfig, ...]:
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
