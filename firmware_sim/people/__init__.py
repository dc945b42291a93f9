"""Who walks there: what they like, where they go, what they truly want, and what really happened."""
