"""The fixed binary grid on which floats are summed exactly: a property of the view, never of the data."""

GRID = float(2**20)
SCALE = 1.0 / GRID
LARGEST = 2.0**100
"""Numbers from here on are refused where they are summed: on the grid they would leave 128 bits."""
