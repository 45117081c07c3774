"""Built-in starts."""
