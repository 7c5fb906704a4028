"""The only code with effects, one folder per technology."""
