"""The way to objects on S3, for every connector that reads or writes them: client, options, errors, pieces."""

from .client import make_client, make_queue_client
from .errors import QUEUE, READING, WRITING, Words, code, s3_errors, status
from .options import ACCESS_OPTIONS, REFUSED_ACCESS, access_problems, url_problem
from .ranges import ObjectChanged, Ranges, RangeStream, fetch

__all__ = [
    "ACCESS_OPTIONS",
    "QUEUE",
    "READING",
    "REFUSED_ACCESS",
    "WRITING",
    "ObjectChanged",
    "RangeStream",
    "Ranges",
    "Words",
    "access_problems",
    "code",
    "fetch",
    "make_client",
    "make_queue_client",
    "s3_errors",
    "status",
    "url_problem",
]
