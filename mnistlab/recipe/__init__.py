"""The published recipe: pipeline, promise, and the engine that trains it."""
