"""Rows as they are trained on: rendered, measured, masked."""
