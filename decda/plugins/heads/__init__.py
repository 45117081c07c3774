"""Built-in clustering heads."""
