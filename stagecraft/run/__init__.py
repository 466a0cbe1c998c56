"""Runs: a plan made true, journalled, and finished or undone whatever happens."""
