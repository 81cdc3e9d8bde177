"""Formats of files and objects: bytes from a stored place on -> rows with their places."""

from .compression import codec_of, decompressed, missing
from .contract import START, BadRow, Content, Format, Place, Row, Unreadable
from .options import FORMAT_OPTIONS, format_findings, format_problems, lacking, make_format
from .origin import bad_record, origin_headers
from .row_batches import KeyFields, RowBatches

__all__ = [
    "FORMAT_OPTIONS",
    "START",
    "BadRow",
    "Content",
    "Format",
    "KeyFields",
    "Place",
    "Row",
    "RowBatches",
    "Unreadable",
    "bad_record",
    "codec_of",
    "decompressed",
    "format_findings",
    "format_problems",
    "lacking",
    "make_format",
    "missing",
    "origin_headers",
]
