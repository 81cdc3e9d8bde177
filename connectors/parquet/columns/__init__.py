"""Connect's schemas and values as Arrow's, and back to a form that can be compared.

Values without a schema become one column of JSON text (`json_text`): a struct inferred from the rows at hand would
change its shape with every batch. See docs/decisions/.
"""

from .canonical import key_texts, row_digests, show_row
from .evolution import Incompatible, cast, merge
from .json_text import json_text
from .layout import BadRow, Layout

__all__ = ["BadRow", "Incompatible", "Layout", "cast", "json_text", "key_texts", "merge", "row_digests", "show_row"]
