"""One run: built from a configuration, trained, recorded in a folder, and read back."""
