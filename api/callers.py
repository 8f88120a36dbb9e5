"""Who makes a request, and what he may see and do."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from api.refusals import NotInScope
from resources.api_keys import ApiKey, Limits
from resources.artifact import Artifact, not_found
from resources.run_tags import LOCAL_OWNER


@dataclass(frozen=True)
class Caller:
    """Who makes a request.

    Attributes:
        owner: Whose the things are that he makes.
        key: His API key; None where keys are off, and for whoever has a link.
        is_admin: Whether he sees everything.
        linked_asset: The one asset that his link is for.
    """

    owner: str
    key: ApiKey | None = None
    is_admin: bool = False
    linked_asset: str | None = None

    @property
    def name(self) -> str:
        """What the audit log calls him."""
        return self.key.id if self.key else self.owner

    @property
    def key_id(self) -> str:
        """Id of his API key, or nothing."""
        return self.key.id if self.key else ""

    @property
    def limits(self) -> Limits:
        """How much he may ask for."""
        return self.key.limits if self.key else Limits()

    @property
    def listed_owner(self) -> str | None:
        """Whose things he is shown in lists; None is everybody's."""
        return None if self.is_admin else self.owner

    def sees(self, owner: str) -> bool:
        """Whether somebody's things are there for him."""
        return self.is_admin or owner == self.owner

    def require_scope(self, scope: str) -> None:
        """Refuse what his key is not for.

        Raises:
            NotInScope: It is not.
        """
        if not self.is_admin and not (self.key and self.key.allows(scope)):
            raise NotInScope(scope)

    def require_asset(self, artifact: Artifact) -> None:
        """Treat another's asset as one that there is not.

        Raises:
            ArtifactNotFound: It is another's.
        """
        if not self.sees(artifact.owner) and self.linked_asset != artifact.id:
            raise not_found(artifact.id)


# Whoever is on this machine, where keys are off: the machine is his, with all that is stored.
LOCAL = Caller(LOCAL_OWNER, is_admin=True)


def linked(asset_id: str) -> Caller:
    """Return somebody who has a link to one asset, and nothing else."""
    return Caller("", linked_asset=asset_id)


def caller_of(request: Request) -> Caller:
    """Return who makes a request, as the gate has found (``api/gate.py``)."""
    return request.state.caller


CallerDep = Annotated[Caller, Depends(caller_of)]
