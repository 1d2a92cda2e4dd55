"""Where the error monitor sends alerts. Environment variables only."""

from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator

from candlewave.core.settings import EnvironmentSettings


class MonitorSettings(EnvironmentSettings):
    """See :class:`candlewave.core.settings.EnvironmentSettings`.

    Addresses count as secrets: they may hold a password, and a Slack address is one.

    Attributes:
        alertmanager_url: base address; several, separated by commas, all get every alert, as Alertmanager wants it.
        webhook_url: gets one request for each batch of alerts that began or ended.
        webhook_format: ``json`` is the form of Alertmanager's own webhooks, ``slack`` a text; ``auto`` decides by the
            host.
        resend_seconds: how often firing alerts are repeated to Alertmanager, which takes silence for an end.
        webhook_max_age_hours: older alerts are not sent to the webhook.
        timeout_seconds: for connecting and for each wait of a request.
        model_name: the registered model.
    """

    alertmanager_url: SecretStr | None = Field(None, alias="ALERTMANAGER_URL")
    webhook_url: SecretStr | None = Field(None, alias="ALERT_WEBHOOK_URL")
    webhook_format: Literal["auto", "json", "slack"] = Field("auto", alias="ALERT_WEBHOOK_FORMAT")
    webhook_max_age_hours: float = Field(24.0, alias="ALERT_WEBHOOK_MAX_AGE_HOURS", gt=0)
    resend_seconds: float = Field(60.0, alias="ALERT_RESEND_SECONDS", gt=0)
    timeout_seconds: float = Field(10.0, alias="ALERT_TIMEOUT_SECONDS", gt=0, le=60)
    model_name: str = Field("candlewave", alias="MODEL_NAME")

    @field_validator("alertmanager_url", "webhook_url")
    @classmethod
    def _web_addresses(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None or not value.get_secret_value().strip():
            return None
        for url in split_urls(value):
            parts = urlsplit(url)
            if parts.scheme not in {"http", "https"} or not parts.hostname:
                raise ValueError("expected http:// or https:// with a host")
        return value

    @property
    def alertmanager_urls(self) -> list[str]:
        """Every Alertmanager."""
        return [] if self.alertmanager_url is None else split_urls(self.alertmanager_url)


def split_urls(value: SecretStr) -> list[str]:
    """Return the addresses of a list separated by commas."""
    return [url.strip() for url in value.get_secret_value().split(",") if url.strip()]
