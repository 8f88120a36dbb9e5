"""How processes write their logs: plain lines, and plain tracebacks."""

import sys

import structlog


def set_log_format() -> None:
    """Have tracebacks written without the values of variables.

    structlog's default shows them all: keys and passwords among them, and it takes seconds to
    draw, in which a service answers nobody.
    """
    renderer = structlog.dev.ConsoleRenderer(
        colors=sys.stdout.isatty(), exception_formatter=structlog.dev.plain_traceback
    )
    *others, _default = structlog.get_config()["processors"]
    structlog.configure(processors=[*others, renderer])
