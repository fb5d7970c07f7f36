"""A server that speaks the S3 protocol over HTTP, on a free port."""

from __future__ import annotations

import contextlib
import typing as t
import uuid

import boto3
from moto.server import ThreadedMotoServer

if t.TYPE_CHECKING:
    from collections.abc import Iterator

CREDENTIALS = {"key": "testing", "secret": "testing"}


class ObjectStore:
    """An S3 server and a new bucket.

    Attributes:
        endpoint: Base URL of the server.
        bucket: An empty bucket.
    """

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.bucket = f"bucket-{uuid.uuid4().hex}"
        self.client: t.Any = boto3.client(
            "s3",
            endpoint_url=endpoint,
            region_name="us-east-1",
            aws_access_key_id=CREDENTIALS["key"],
            aws_secret_access_key=CREDENTIALS["secret"],
        )
        self.client.create_bucket(Bucket=self.bucket)

    @property
    def variables(self) -> dict[str, str]:
        """Environment variables that point the usual S3 clients at this server."""
        return {
            "AWS_ACCESS_KEY_ID": CREDENTIALS["key"],
            "AWS_SECRET_ACCESS_KEY": CREDENTIALS["secret"],
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": self.endpoint,
        }

    def put(self, key: str, body: bytes) -> None:
        """Write an object."""
        self.client.put_object(Bucket=self.bucket, Key=key, Body=body)

    def keys(self) -> list[str]:
        """List the objects, in key order."""
        return [entry["Key"] for entry in self.client.list_objects_v2(Bucket=self.bucket).get("Contents", [])]


@contextlib.contextmanager
def serving() -> Iterator[str]:
    """Serve S3 while the block runs; yield the base URL."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()
