"""This process: its threads, its memory and its stdout."""
