"""The command line: each module parses its flags, calls the engine once and prints."""
