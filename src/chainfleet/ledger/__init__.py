"""What happened, append-only, and what can be read from it."""
