"""The server's secret: set in the environment, or kept in the data directory while developing."""

import os
import secrets

from candlewave.core.errors import CandlewaveError
from candlewave.core.settings import Environment, Settings
from candlewave.services.api.settings import ApiSettings


class PepperError(CandlewaveError):
    """There is no secret to hash keys with; the text says what to do."""


def read_pepper(settings: Settings, api_settings: ApiSettings) -> bytes:
    """Return the secret that goes into hashes of keys and signatures of cursors.

    In development it is made at first use and kept in the data directory, readable by its owner only.

    Raises:
        PepperError: outside development ``API_KEY_PEPPER`` is not set.
    """
    if api_settings.key_pepper is not None:
        return api_settings.key_pepper.get_secret_value().encode()
    if settings.environment is not Environment.DEVELOPMENT:
        raise PepperError(
            "API_KEY_PEPPER is not set: it is needed outside development, the same for all replicas."
            ' Make one: python -c "import secrets; print(secrets.token_urlsafe(32))"'
        )
    path = settings.data_dir / "api-key-pepper"
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_bytes()
    pepper = secrets.token_urlsafe(32).encode()
    with os.fdopen(descriptor, "wb") as file:
        file.write(pepper)
    return pepper
