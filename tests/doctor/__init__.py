"""`wayside doctor` against broken set-ups with a real broker."""
