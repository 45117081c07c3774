"""From words to one complete, frozen configuration."""
