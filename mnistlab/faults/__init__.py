"""Proves the suite: a catalogue of broken pipelines, the trial of each, and the campaign over all."""
