"""Borrow an Engine and the objects that a step changes, and put everything back."""
