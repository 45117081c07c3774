"""What is installed: parts are found, described, imported and read for their parameters."""
