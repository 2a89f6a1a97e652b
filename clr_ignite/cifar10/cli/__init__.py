"""The command line: options, what they turn into, and what the commands do."""
