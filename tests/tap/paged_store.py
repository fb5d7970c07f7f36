"""A store that lists page by page, as S3 does, behind fsspec: what comes and goes while it lists is in our hands."""

from __future__ import annotations

import datetime as dt
import io
import typing as t

import fsspec
from fsspec.spec import AbstractFileSystem

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

WRITTEN = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


class PagedStore(AbstractFileSystem):  # type: ignore[misc] # fsspec has no types
    """One bucket, of the protocol `paged`."""

    protocol = "paged"
    cachable = False
    req_kw: t.ClassVar[dict[str, str]] = {}

    #: Contents by key.
    objects: t.ClassVar[dict[str, bytes]] = {}
    #: When each was written; WRITTEN unless it is here.
    written: t.ClassVar[dict[str, dt.datetime]] = {}
    keys_in_a_page: t.ClassVar[int] = 1000
    #: Called before each page but the first.
    between_pages: t.ClassVar[Callable[[], None]] = lambda: None
    #: The parameters of each page asked for.
    asked: t.ClassVar[list[dict[str, t.Any]]] = []

    @classmethod
    def begin(cls) -> type[PagedStore]:
        """Empty the bucket, and let fsspec know it."""
        fsspec.register_implementation("paged", cls, clobber=True)
        cls.objects, cls.written, cls.asked = {}, {}, []
        cls.keys_in_a_page, cls.between_pages = 1000, staticmethod(lambda: None)
        return cls

    @staticmethod
    def split_path(path: str) -> tuple[str, str, None]:
        """Return bucket and key, as s3fs does."""
        bucket, _, key = path.partition("/")
        return bucket, key, None

    def call_s3(self, method: str, **parameters: t.Any) -> Mapping[str, t.Any]:
        """Answer one page of a listing."""
        assert method == "list_objects_v2"
        if self.asked:
            type(self).between_pages()
        self.asked.append(parameters)
        after = parameters.get("ContinuationToken") or parameters.get("StartAfter") or ""
        keys = sorted(key for key in self.objects if key.startswith(parameters["Prefix"]) and key > after)
        page = keys[: self.keys_in_a_page]
        answer: dict[str, t.Any] = {"Contents": [self._entry(key) for key in page], "IsTruncated": page != keys}
        return answer | ({"NextContinuationToken": page[-1]} if page != keys else {})

    def open(self, path: str, mode: str = "rb", **options: t.Any) -> t.IO[bytes]:
        """Return an object's content, as long as it was when it was listed."""
        assert mode == "rb"
        key = self.split_path(path)[1]
        if key not in self.objects:
            raise FileNotFoundError(path)
        return io.BytesIO(self.objects[key][: options["size"]])

    def exists(self, path: str, **_options: t.Any) -> bool:
        """Return whether there is a bucket, or an object or prefix in it."""
        return any(key.startswith(self.split_path(path)[1]) for key in ("", *self.objects))

    def _entry(self, key: str) -> dict[str, t.Any]:
        content = self.objects[key]
        return {
            "Key": key,
            "Size": len(content),
            "ETag": f'"{hash(content):x}"',
            "LastModified": self.written.get(key, WRITTEN),
        }


def keys(count: int) -> Iterator[str]:
    """Yield the keys of so many export files, in order."""
    return (f"events/demo/{1_700_000_000_000 + number * 300_000}-data-{number:x}.export" for number in range(count))
