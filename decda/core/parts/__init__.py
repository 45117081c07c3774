"""Registered parts: how they are discovered, described and imported, and which parameters they declare."""
