"""The public benchmarks: their readers, their measures by hand, and each benchmark on rows with a known truth."""
