"""The command line: what the store does, for people and for pipes (extra `cli`)."""
