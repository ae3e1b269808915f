"""Speed, side by side with peers in one run; see `python -m benchmarks --help`."""
