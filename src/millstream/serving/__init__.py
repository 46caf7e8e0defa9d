"""Predictions for all rows or for one."""
