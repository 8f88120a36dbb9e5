"""One file a model family: load and infer, nothing of Dagster, Redis or HTTP."""
