"""Value: the published parameters found again, and effort in proportion."""
