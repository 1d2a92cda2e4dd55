"""Make the buckets that are missing; a second run changes nothing."""

import os
import sys
from pathlib import Path

import boto3


def secret(name: str) -> str:
    return Path("/run/secrets/object-store", name).read_text().strip()


for endpoint, wanted in (
    (os.environ["S3_ENDPOINT"], ["risingwave", "loki", "tempo", "backups", "snapshots"]),
    (os.environ["S3_MLFLOW_ENDPOINT"], ["mlflow"]),
):
    store = boto3.client(
        "s3",
        endpoint_url=endpoint,
        aws_access_key_id=secret("access-key"),
        aws_secret_access_key=secret("secret-key"),
        region_name="us-east-1",
    )
    found = {bucket["Name"] for bucket in store.list_buckets()["Buckets"]}
    for name in wanted:
        if name not in found:
            store.create_bucket(Bucket=name)
        sys.stdout.write(f"{name}: {'was there' if name in found else 'made'}\n")
