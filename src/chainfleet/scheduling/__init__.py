"""Floor 1: what to do when, as pure functions and state machines; time and results come in as arguments."""
