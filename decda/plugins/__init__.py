"""The built-in parts; each is registered by an entry point, as a third party's are."""
