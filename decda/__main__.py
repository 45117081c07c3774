"""Runs the command line as `python -m decda`."""

from decda.cli import main

if __name__ == "__main__":
    main()
