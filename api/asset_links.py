"""Where assets are to be had: plain URLs where keys are off, signed ones that expire where not.

A signed URL is good for one asset, for reading alone, until its time is over: whoever has it needs
no key, so that a browser, a colleague or a webhook's receiver can fetch a result. It does not open
the asset's record, which has a link of its own: one link would give another for ever. It names the
API key that it was given to, and is good as long as that key.
"""

import base64
import hashlib
import hmac
import math
import re
import secrets
import time
from dataclasses import dataclass
from urllib.parse import parse_qs

from api.kept_secret import kept_secret
from api.refusals import LinkInvalid
from studio_pipelines.settings import Settings

KEPT_IN = "links.secret"
# URLs that are given out within one such step are equal, so that a browser's cache knows them.
STEP_S = 300
_PATH = re.compile(r"/api/assets/(ast_[0-9a-z]+)")
_EXPIRY = re.compile(r"\d{1,12}", re.ASCII)


@dataclass(frozen=True)
class Link:
    """What a signed URL is for.

    Attributes:
        asset_id: The asset that it opens.
        key_id: The API key that it was given to.
    """

    asset_id: str
    key_id: str


@dataclass(frozen=True)
class LinkSigner:
    """Signs URLs of assets, and checks the signatures.

    Attributes:
        secret: The key of the signatures.
        lifetime_s: How long a URL is good for at least, in seconds.
    """

    secret: bytes
    lifetime_s: int

    @classmethod
    def of(cls, settings: Settings) -> "LinkSigner":
        """Return the signer of a deployment."""
        drawn = settings.link_secret or kept_secret(
            settings.data_dir / KEPT_IN, lambda: secrets.token_urlsafe(32)
        )
        return cls(drawn.encode(), settings.link_lifetime_s)

    def query(self, link: Link) -> str:
        """Return what makes an asset's path a link: whose, when it ends, and the signature."""
        ends_at_s = STEP_S * math.ceil((time.time() + self.lifetime_s) / STEP_S)
        signature = self._signature(link, str(ends_at_s))
        return f"key={link.key_id}&exp={ends_at_s}&sig={signature}"

    def link(self, path: str, query: str) -> Link | None:
        """Return what a path and a query link to, or None where they are no link.

        Raises:
            LinkInvalid: The signature does not fit, or the time is over.
        """
        given, asset = parse_qs(query), _PATH.fullmatch(path)
        if asset is None or "sig" not in given:
            return None
        expiry, signature = given.get("exp", [""])[0], given["sig"][0]
        link = Link(asset[1], given.get("key", [""])[0])
        right = self._signature(link, expiry)
        if not hmac.compare_digest(signature.encode(), right.encode()):
            raise LinkInvalid(
                "The link is not one that this studio gave out.",
                hint="Use the URL as it came, or send an API key.",
            )
        if not _EXPIRY.fullmatch(expiry) or int(expiry) < time.time():
            raise LinkInvalid(
                "The link's time is over.",
                hint="Read the job or the asset again: each reading gives a new link.",
            )
        return link

    def _signature(self, link: Link, expiry: str) -> str:
        message = f"GET\n{link.asset_id}\n{link.key_id}\n{expiry}".encode()
        digest = hmac.new(self.secret, message, hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


@dataclass(frozen=True)
class AssetLinks:
    """Gives the URLs of assets.

    Attributes:
        base_url: Where the client has reached the studio.
        signer: Signs them; None where keys are off.
        key_id: The API key that they are given to.
    """

    base_url: str
    signer: LinkSigner | None = None
    key_id: str = ""

    def url(self, asset_id: str) -> str:
        """Return where an asset's bytes are."""
        plain = f"{self.base_url.rstrip('/')}/api/assets/{asset_id}"
        return f"{plain}?{self.signer.query(Link(asset_id, self.key_id))}" if self.signer else plain
