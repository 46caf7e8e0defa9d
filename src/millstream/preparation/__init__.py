"""Columns made fit for a method: fitted on training rows, applied everywhere."""
