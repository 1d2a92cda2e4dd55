"""The extractor that asks a language model, at any endpoint that speaks OpenAI's chat completions.

Answers are validated and kept by content; requests have an hourly budget. On any failure the articles concerned
come back as None, so that another extractor can be asked.
"""

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.resources import files
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from candlewave.contracts.records import Article
from candlewave.services.sentiment import metrics
from candlewave.services.sentiment.entities import Recogniser
from candlewave.services.sentiment.extract import Extraction, Finding
from candlewave.services.sentiment.fetch import Fetcher, FetchError, FetchRefusedError
from candlewave.services.sentiment.store import ArticleStore

PROMPT = "extract-v1"
"""File of the prompt in ``prompts/``; a changed prompt is a new file."""

_FIRST_WAIT = 1.0
_MAX_WAIT = 20.0
_REST_SECONDS = 60.0
_EVENTS = (
    "listing delisting hack regulation legal etf macro adoption network partnership product merger solvency rating"
    " earnings management market other"
)

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _AssetAnswer(_Strict):
    asset: Annotated[str, Field(min_length=1, max_length=12)]
    score: Annotated[float, Field(ge=-1, le=1, allow_inf_nan=False)]
    confidence: Share
    relevance: Share
    event_type: Annotated[str, Field(max_length=40)] = "other"


class _ArticleAnswer(_Strict):
    id: int
    assets: Annotated[list[_AssetAnswer], Field(max_length=50)]


class _Answer(_Strict):
    articles: list[Any]


class _BadAnswerError(Exception):
    """The model's answer cannot be used."""


@dataclass(frozen=True, slots=True)
class LlmOptions:
    """How the endpoint is used.

    Attributes:
        base_url: up to and including the version, such as https://api.example.com/v1.
        model: its name there.
        key: the secret, if it wants one.
        batch: articles in one request.
        attempts: tries of one request.
        requests_per_hour: budget; further articles go to the other extractor.
    """

    base_url: str
    model: str
    key: str | None = None
    batch: int = 8
    attempts: int = 3
    requests_per_hour: int = 200


class LlmExtractor:
    """Ask a language model about articles.

    Args:
        options: endpoint and limits.
        recogniser: finds candidates; the answer may only name assets it knows.
        known: tickers the answer may name.
        fetcher: carries the requests.
        store: keeps answers and budget.
        clock: present time, UTC.
        wait: waits a number of seconds; returns True when the service is about to end.
    """

    def __init__(
        self,
        options: LlmOptions,
        recogniser: Recogniser,
        known: Sequence[str],
        fetcher: Fetcher,
        store: ArticleStore,
        clock: Callable[[], datetime],
        wait: Callable[[float], bool],
    ) -> None:
        self._options = options
        self._recogniser = recogniser
        self._known = sorted(set(known))
        self._fetcher = fetcher
        self._store = store
        self._clock = clock
        self._wait = wait
        self._prompt = (
            files("candlewave.services.sentiment").joinpath("prompts", f"{PROMPT}.md").read_text(encoding="utf-8")
        )
        self._resting_until: datetime | None = None
        self.version = f"{options.model}/{PROMPT}"

    def extract(self, articles: Sequence[Article]) -> list[Extraction | None]:
        """Return the model's answer for each article, None where it is unusable."""
        found: dict[int, Extraction] = {}
        asked: list[int] = []
        for index, article in enumerate(articles):
            kept = self._kept(article)
            if kept is not None:
                found[index] = kept
            else:
                asked.append(index)
        for begin in range(0, len(asked), self._options.batch):
            part = asked[begin : begin + self._options.batch]
            for index, extraction in zip(part, self._ask([articles[i] for i in part]), strict=True):
                if extraction is not None:
                    found[index] = extraction
        return [found.get(index) for index in range(len(articles))]

    def _kept(self, article: Article) -> Extraction | None:
        kept = self._store.answer(self._key(article))
        if kept is None:
            return None
        try:
            answer = _ArticleAnswer.model_validate_json(kept)
        except ValidationError:
            return None  # kept by a version that read answers otherwise: ask again
        metrics.LLM_REQUESTS.labels("cached").inc()
        return self._extraction(answer)

    def _key(self, article: Article) -> str:
        """Return what an answer is kept under: it is the same for the same model, prompt and content."""
        content = json.dumps([self._options.model, self._prompt, self._known, article.title, article.summary])
        return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()

    def _ask(self, articles: Sequence[Article]) -> list[Extraction | None]:
        try:
            answers = self._request(articles)
        except _TruncatedError:
            if len(articles) == 1:
                metrics.LLM_REQUESTS.labels("bad_answer").inc()
                return [None]
            half = len(articles) // 2
            return self._ask(articles[:half]) + self._ask(articles[half:])
        except (FetchError, FetchRefusedError, _BadAnswerError):
            return [None] * len(articles)
        found: list[Extraction | None] = []
        for number, article in enumerate(articles):
            answer = answers.get(number)
            if answer is not None:
                self._store.keep_answer(self._key(article), answer.model_dump_json().encode(), self._clock())
            found.append(None if answer is None else self._extraction(answer))
        return found

    def _request(self, articles: Sequence[Article]) -> dict[int, _ArticleAnswer]:
        """Ask until there is a usable answer or the attempts are used up."""
        body = json.dumps(self._question(articles)).encode()
        headers = {"Content-Type": "application/json"}
        if self._options.key:
            headers["Authorization"] = f"Bearer {self._options.key}"
        wait = _FIRST_WAIT
        for attempt in range(1, self._options.attempts + 1):
            last = attempt == self._options.attempts
            self._admit()
            try:
                answer = self._fetcher.post(f"{self._options.base_url.rstrip('/')}/chat/completions", headers, body)
                answers = _read(answer.body, len(articles))
                metrics.LLM_REQUESTS.labels("ok").inc()
                return answers
            except _BadAnswerError:
                metrics.LLM_REQUESTS.labels("bad_answer").inc()
                if last:
                    raise
                continue
            except FetchError as error:
                metrics.LLM_REQUESTS.labels(f"status_{error.status}" if error.status else "unreachable").inc()
                lasting = error.status is not None and error.status < 500 and error.status not in {408, 409, 425, 429}
                if lasting or last or (error.retry_after or 0) > _MAX_WAIT:
                    self._rest(error.retry_after)
                    raise
                if self._wait(max(wait, error.retry_after or 0)):
                    raise
                wait = min(2 * wait, _MAX_WAIT)
        raise AssertionError("the last attempt returns or raises")

    def _admit(self) -> None:
        """Let a request pass.

        Raises:
            FetchError: the endpoint is left alone for a while, or the hour's budget is used up.
        """
        now = self._clock()
        if self._resting_until is not None and now < self._resting_until:
            metrics.LLM_REQUESTS.labels("resting").inc()
            raise FetchError("the language model failed a moment ago")
        if not self._store.spend(now, self._options.requests_per_hour):
            metrics.LLM_REQUESTS.labels("over_budget").inc()
            raise FetchError("the hour's budget of requests is used up")

    def _rest(self, retry_after: float | None) -> None:
        self._resting_until = self._clock() + timedelta(seconds=max(_REST_SECONDS, min(retry_after or 0, 3600.0)))

    def _question(self, articles: Sequence[Article]) -> dict[str, Any]:
        listed = [
            {
                "id": number,
                "title": a.title,
                "summary": a.summary,
                "candidates": [m.asset for m in self._recogniser.find(a.title, a.summary, a.tags)],
            }
            for number, a in enumerate(articles)
        ]
        return {
            "model": self._options.model,
            "temperature": 0,
            "response_format": {"type": "json_object"},
            "messages": [
                {"role": "system", "content": self._prompt},
                {"role": "user", "content": json.dumps({"assets": self._known, "articles": listed})},
            ],
        }

    def _extraction(self, answer: _ArticleAnswer) -> Extraction:
        """Keep what the answer says of known assets, the first time it says it."""
        findings: dict[str, Finding] = {}
        for item in answer.assets:
            asset = item.asset.upper().lstrip("$")
            if asset in self._known and asset not in findings:
                event = item.event_type if item.event_type in _EVENTS.split() else "other"
                findings[asset] = Finding(asset, item.score, item.confidence, item.relevance, event)
        return Extraction(tuple(findings.values()), "llm", self.version)


class _TruncatedError(Exception):
    """The answer was cut off for its length; fewer articles may fit."""


def _read(body: bytes, expected: int) -> dict[int, _ArticleAnswer]:
    """Read a chat completion; articles that it leaves out, or gives no or several usable answers about, are missing.

    Raises:
        _BadAnswerError: it holds no usable JSON, or of none of the articles.
        _TruncatedError: it was cut off.
    """
    try:
        choice = json.loads(body)["choices"][0]
        content = choice["message"]["content"]
        cut = choice.get("finish_reason") == "length"
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError) as error:
        raise _BadAnswerError(f"not a chat completion: {error!r}") from None
    if cut:
        raise _TruncatedError
    if not isinstance(content, str):
        raise _BadAnswerError("no text in the answer")
    fenced = re.search(r"```(?:json)?\s*(\{.*\})\s*```", content, re.DOTALL)
    try:
        answer = _Answer.model_validate_json(fenced.group(1) if fenced else content)
    except ValidationError as error:
        raise _BadAnswerError(f"{error.error_count()} errors, the first: {error.errors()[0]['msg']}") from None
    found: dict[int, list[_ArticleAnswer]] = {}
    for item in answer.articles:
        try:
            article = _ArticleAnswer.model_validate(item)
        except ValidationError:
            continue  # this article's answer alone is of no use
        found.setdefault(article.id, []).append(article)
    answers = {number: given[0] for number, given in found.items() if len(given) == 1 and 0 <= number < expected}
    if not answers:
        raise _BadAnswerError(f"no usable answer about any of {expected} articles")
    return answers
