"""How good is good: splits, metrics, intervals, paired tests and gates."""
