"""The error catalogue as a page of the service: where the ``type`` of a problem points."""

import re
from functools import cache
from html import escape

from api.error_catalogue import GROUPS, OF_HTTP, told

_STYLE = """\
:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 44rem; margin: 2rem auto; padding: 0 1rem }
h2 { margin-top: 2.5rem } h3 { margin-bottom: 0 } p { margin-top: .25rem }
h3:target { background: Mark; color: MarkText }
code { font-family: ui-monospace, monospace; font-size: .92em }"""
_CODE = re.compile(r"`([^`]+)`")


@cache
def error_page() -> str:
    """Return the page, each code at the anchor of its name."""
    parts = [
        '<!doctype html><html lang="en"><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width">',
        f"<title>Errors</title><style>{_STYLE}</style><h1>Errors</h1>",
        _paragraph("What the `error.code` of an answer means, and what to do."),
    ]
    for title, types in GROUPS.items():
        parts.append(f"<h2>{escape(title)}</h2>")
        for one in types:
            parts.append(f'<h3 id="{one.code}"><code>{one.code}</code></h3>')
            parts.append(_paragraph(told(one)))
    parts += ["<h2>HTTP's own</h2>", _paragraph(OF_HTTP)]
    return "\n".join(parts)


def _paragraph(text: str) -> str:
    html = _CODE.sub(r"<code>\1</code>", escape(text, quote=False))
    return f"<p>{html}</p>"
