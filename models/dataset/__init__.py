"""Any table as a training set: CSV or Parquet, a schema proposed from its columns, and a search for columns that leak the outcome."""
