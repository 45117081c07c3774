"""What of decda is in place here, and what is not."""
