"""Runs the console blocks of README.md and docs/ as sessions and compares what they show with what they print."""
