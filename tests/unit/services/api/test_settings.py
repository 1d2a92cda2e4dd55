"""Wrong settings of the API are refused with what was expected; a secret is not shown."""

import pytest
from pydantic import ValidationError

from candlewave.services.api.settings import ApiSettings


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("API_KEY_PEPPER", "zz-short", "expected at least 16 characters, found 8"),
        ("API_RATE_LIMIT", "lots", "'lots' is not a rate limit, such as 100/second;3000/minute"),
        (
            "API_CORS_ORIGINS",
            "charts.example",
            "'charts.example' is not a valid origin, such as https://charts.example",
        ),
        ("API_CORS_ORIGINS", "https://a.example, https://b.example/", "'https://b.example/' is not a valid origin"),
        ("API_TRUSTED_PROXIES", "10.0.0.0/8,ingress", "'ingress' is not a valid address or network, such as 10"),
        ("API_TRUSTED_PROXIES", "10.0.0.1/8", "has host bits set"),
        ("API_TRUSTED_PROXIES", "*", "'*' is not a valid address or network"),
        ("API_RATE_LIMIT_STORE", "localhost:6379", "API_RATE_LIMIT_STORE"),
    ],
)
def test_wrong_settings_are_refused(name: str, value: str, words: str) -> None:
    with pytest.raises(ValidationError, match="1 validation error") as caught:
        ApiSettings(**{name: value})  # type: ignore[arg-type]
    [error] = caught.value.errors(include_input=False, include_url=False)
    assert words in f"{error['loc']} {error['msg']}"
    assert "zz-short" not in str(caught.value)


def test_lists_are_separated_by_commas() -> None:
    given = {"API_CORS_ORIGINS": "https://a.example, http://[::1]:3000,*", "API_TRUSTED_PROXIES": "10.0.0.0/8, ::1"}
    own = ApiSettings(**given)  # type: ignore[arg-type]
    assert own.cors_origins == ("https://a.example", "http://[::1]:3000", "*")
    assert own.trusted_proxies == ("10.0.0.0/8", "::1")
