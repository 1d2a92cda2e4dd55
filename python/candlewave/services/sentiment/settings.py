"""Settings of the sentiment extractor: keys, the language model's endpoint, limits. Environment variables only."""

from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, model_validator

from candlewave.core.settings import EnvironmentSettings


class SentimentSettings(EnvironmentSettings):
    """See :class:`candlewave.core.settings.EnvironmentSettings`."""

    news_config: Path | None = Field(None, alias="CANDLEWAVE_NEWS_CONFIG")
    cryptopanic_api_key: SecretStr | None = Field(None, alias="CRYPTOPANIC_API_KEY")
    newsapi_api_key: SecretStr | None = Field(None, alias="NEWSAPI_API_KEY")

    llm_base_url: str | None = Field(None, alias="SENTIMENT_LLM_BASE_URL")
    llm_model: str | None = Field(None, alias="SENTIMENT_LLM_MODEL")
    llm_api_key: SecretStr | None = Field(None, alias="SENTIMENT_LLM_API_KEY")
    llm_batch: int = Field(8, alias="SENTIMENT_LLM_BATCH", ge=1, le=50)
    llm_timeout_seconds: float = Field(30.0, alias="SENTIMENT_LLM_TIMEOUT_SECONDS", gt=0)
    llm_attempts: int = Field(3, alias="SENTIMENT_LLM_ATTEMPTS", ge=1, le=10)
    llm_requests_per_hour: int = Field(200, alias="SENTIMENT_LLM_REQUESTS_PER_HOUR", ge=0)

    fetch_timeout_seconds: float = Field(20.0, alias="SENTIMENT_FETCH_TIMEOUT_SECONDS", gt=0)
    fetch_max_bytes: int = Field(5_000_000, alias="SENTIMENT_FETCH_MAX_BYTES", gt=0)
    max_article_age_hours: float = Field(48.0, alias="SENTIMENT_MAX_ARTICLE_AGE_HOURS", gt=0)

    @model_validator(mode="after")
    def _whole_endpoint(self) -> Self:
        if (self.llm_base_url is None) != (self.llm_model is None):
            raise ValueError("set both SENTIMENT_LLM_BASE_URL and SENTIMENT_LLM_MODEL, or neither")
        return self
