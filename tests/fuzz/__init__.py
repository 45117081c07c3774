"""Fuzzers, one for each parser: `python -m tests.fuzz.idx 60` tries inputs for 60 seconds. They need atheris."""
