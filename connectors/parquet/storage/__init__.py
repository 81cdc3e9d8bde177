"""A tree of files, local or on S3."""

from .contract import FileInfo, Output, Storage
from .local import LocalStorage
from .opening import open_storage
from .options import STORAGE_OPTIONS, place, storage_problems

__all__ = [
    "STORAGE_OPTIONS",
    "FileInfo",
    "LocalStorage",
    "Output",
    "Storage",
    "open_storage",
    "place",
    "storage_problems",
]
