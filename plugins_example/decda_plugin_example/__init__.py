"""Third-party parts for decda: at least one of each kind, one file per part."""

decda_api = 3
