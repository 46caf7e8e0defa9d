"""Is the world still so, and was the model right?"""
