"""Example projects with their data, copied out as they are by `millstream init`."""
