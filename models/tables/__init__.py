"""Tables that others published, each read by one file into situations or arrays, with every row left out counted by its reason."""
