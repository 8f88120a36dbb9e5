"""The answers of the HTTP interface as types: what the service documents and the client reads.

Nothing here knows of Dagster, FastAPI or any media: pydantic alone.
"""
