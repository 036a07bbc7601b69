"""A pipeline of somebody else: import it, put a TOML spec over it, and check its every answer."""
