"""The contract suite: what every connector must do, to be run by its author on a connector of their own.

`docs/plugins.md` shows it. It needs pytest (the extra `testing`), which nothing else of Headwater imports.
"""

import pytest

# The suite's own asserts say what they compared, as those of a test file do.
pytest.register_assert_rewrite(*(f"{__name__}.{name}" for name in ("sink_contract", "source_contract", "restart")))

from .completeness import without_contract  # noqa: E402
from .driver import Row, SinkDriver, SourceDriver  # noqa: E402
from .restart import Broker, outlive_a_restart  # noqa: E402
from .sink_contract import SinkContract  # noqa: E402
from .source_contract import SourceContract  # noqa: E402

__all__ = [
    "Broker",
    "Row",
    "SinkContract",
    "SinkDriver",
    "SourceContract",
    "SourceDriver",
    "outlive_a_restart",
    "without_contract",
]
