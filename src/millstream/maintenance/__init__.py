"""Train again, judge, promote, roll back, replay."""
