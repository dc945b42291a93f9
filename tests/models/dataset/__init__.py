"""Any table as a training set."""
