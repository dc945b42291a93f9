"""The public boards: their readers, their measures by hand, and each board on rows with a known truth."""
