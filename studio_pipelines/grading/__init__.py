"""What lies between the grading operation and the arithmetic: its parameters, and its steps."""
