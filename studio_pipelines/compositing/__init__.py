"""What lies between the compositing operation and the arithmetic: its parameters, and its steps."""
