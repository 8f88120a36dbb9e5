"""What the mastering operation is asked for, and what it works on."""
