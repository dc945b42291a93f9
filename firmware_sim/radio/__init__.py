"""What one radio hears of another, by a stated luck or by measured causes."""
