"""Settings of the price predictor. Environment variables only."""

from datetime import timedelta

from pydantic import Field

from candlewave.core.settings import EnvironmentSettings


class PredictSettings(EnvironmentSettings):
    """See :class:`candlewave.core.settings.EnvironmentSettings`.

    Attributes:
        poll_seconds: how often the markets' clock is looked at; on the embedded engine a notification is quicker.
        reload_seconds: how often the registry is asked for the aliases.
        catch_up_minutes: after downtime, how much of what was missed is forecast late.
        max_feature_age_seconds: a market whose newest candle is older is not forecast; 0 for any age, for replays.
        batch_rows: most feature rows in one call of a model.
    """

    poll_seconds: float = Field(0.25, alias="PREDICT_POLL_SECONDS", gt=0, le=60)
    reload_seconds: float = Field(15.0, alias="PREDICT_RELOAD_SECONDS", gt=0)
    catch_up_minutes: int = Field(180, alias="PREDICT_CATCH_UP_MINUTES", ge=0, le=10_080)
    max_feature_age_seconds: float = Field(300.0, alias="PREDICT_MAX_FEATURE_AGE_SECONDS", ge=0)
    batch_rows: int = Field(5_000, alias="PREDICT_BATCH_ROWS", ge=1, le=100_000)

    @property
    def catch_up(self) -> timedelta:
        """See ``catch_up_minutes``."""
        return timedelta(minutes=self.catch_up_minutes)

    @property
    def max_feature_age(self) -> timedelta | None:
        """See ``max_feature_age_seconds``; None for any age."""
        return timedelta(seconds=self.max_feature_age_seconds) if self.max_feature_age_seconds else None
