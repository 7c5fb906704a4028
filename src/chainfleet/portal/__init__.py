"""The HTTP API and the pages: another way to see and steer what the command line does. Extra `[portal]`."""
