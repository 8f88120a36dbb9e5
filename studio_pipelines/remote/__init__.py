"""The commands that use a studio over HTTP: ``studio run``, ``jobs``, ``job`` and ``cancel``."""
