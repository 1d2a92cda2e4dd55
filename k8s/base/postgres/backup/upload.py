"""Put the dumps of /dump into the bucket of backups, and remove those older than KEEP_DAYS."""

import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import boto3


def secret(name: str) -> str:
    return Path("/run/secrets/object-store", name).read_text().strip()


now = datetime.now(UTC)
bucket = os.environ["BUCKET"]
store = boto3.client(
    "s3",
    endpoint_url=os.environ["S3_ENDPOINT"],
    aws_access_key_id=secret("access-key"),
    aws_secret_access_key=secret("secret-key"),
    region_name="us-east-1",
)
for path in sorted(Path("/dump").glob("*.dump")):
    key = f"postgres/{now:%Y-%m-%dT%H%M%SZ}/{path.name}"
    store.upload_file(str(path), bucket, key)
    if store.head_object(Bucket=bucket, Key=key)["ContentLength"] != path.stat().st_size:
        raise SystemExit(f"{key} did not arrive whole")
    sys.stdout.write(f"uploaded {key}, {path.stat().st_size} bytes\n")

oldest = now - timedelta(days=int(os.environ["KEEP_DAYS"]))
for page in store.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="postgres/"):
    for item in page.get("Contents", []):
        if item["LastModified"] < oldest:
            store.delete_object(Bucket=bucket, Key=item["Key"])
            sys.stdout.write(f"removed {item['Key']}\n")
