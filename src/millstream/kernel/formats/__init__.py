"""How results that are no tables become bytes, one kind a file: JSON values, arrays, models, figures, files and folders."""
