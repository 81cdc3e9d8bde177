"""From options to a storage. boto3 is loaded only where the view lies on S3."""

from __future__ import annotations

from headwater.worker.api import Values

from .contract import Storage
from .local import LocalStorage
from .options import place


def open_storage(values: Values, below: str = "") -> Storage:
    """`values`: of a plugin whose options contain `options.STORAGE_OPTIONS`. `below`: a folder in that place.

    Asks nobody yet. Raises `Fatal` where boto3 is missing.
    """
    root = place(values) + (f"/{below}" if below else "")
    if root.startswith("s3://"):
        from .s3 import S3Storage

        return S3Storage(root, values)
    return LocalStorage(root)
