"""What operations are given: artifacts, a GPU, progress; and how runs reach the workers."""
