"""The nodes of an emulated cluster: scheduling, volumes, and the life of pods and containers."""
