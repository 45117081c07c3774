"""Parts for decda by a third party, one of each kind, a file each."""

decda_api = 2
