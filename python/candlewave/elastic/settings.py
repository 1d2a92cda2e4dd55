"""How long documents stay in Elasticsearch. Environment variables only."""

from typing import Self

from pydantic import Field, model_validator

from candlewave.core.settings import EnvironmentSettings


class SearchSettings(EnvironmentSettings):
    """See :class:`candlewave.core.settings.EnvironmentSettings`.

    Attributes:
        hot_days: age at which a day's index is merged, made read-cheap, and moves to warm nodes.
        delete_days: age at which it goes.
        timeout_seconds: for each request.
    """

    hot_days: int = Field(7, alias="SEARCH_HOT_DAYS", ge=1)
    delete_days: int = Field(365, alias="SEARCH_DELETE_DAYS", ge=2)
    timeout_seconds: float = Field(10.0, alias="SEARCH_TIMEOUT_SECONDS", gt=0)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.delete_days <= self.hot_days:
            raise ValueError(
                f"SEARCH_DELETE_DAYS is {self.delete_days}, it must be more than SEARCH_HOT_DAYS, {self.hot_days}"
            )
        return self
