"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

DEFAULT_URL: Final = "http://127.0.0.1:8083"

json_output = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
worker_url = click.option(
    "--url", envvar="HEADWATER_URL", default=DEFAULT_URL, show_default=True, show_envvar=True,
    help="The worker's REST address.",
)  # fmt: skip
config_files = click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE…")
worker_file = click.option(
    "--worker", "worker_path", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
    help="The worker's own config.",
)  # fmt: skip
data_dir = click.option(
    "--data", "data_dir", type=click.Path(path_type=Path, file_okay=False), metavar="DIR",
    help="Where the embedded log lies.  [default: ./headwater-data]",
)  # fmt: skip
