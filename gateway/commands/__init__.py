"""`wayside …`: one file per command, by its name; `options.py` and `broker.py` are used by several."""
