"""The built-in parts; each enters by an entry point, as a stranger's does."""
