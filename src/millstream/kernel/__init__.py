"""Steps, their graph, and how they run: knows nothing of machine learning."""
