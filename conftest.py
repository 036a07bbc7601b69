"""Loads the plugin."""

pytest_plugins = ["mnistlab.plugin"]
