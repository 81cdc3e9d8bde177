"""The main job, shown on real data: `python -m demo` (see `make demo`)."""
