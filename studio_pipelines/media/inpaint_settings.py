"""What a person may choose of a diffusion model's inpainting."""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class DiffusionSettings:
    """The choices; None leaves one to the pipeline.

    Attributes:
        prompt: What the hole is to show; empty continues what is around it.
        negative_prompt: What it is not to show.
        steps: Steps of denoising.
        guidance: How strongly the prompt counts.
        strength: 0 to 1: how much noise the hole begins with; 1 forgets what was there.
        seed: Of the noise.
    """

    FIELDS: ClassVar = ("prompt", "negative_prompt", "steps", "guidance", "strength")

    prompt: str = ""
    negative_prompt: str | None = None
    steps: int | None = None
    guidance: float | None = None
    strength: float | None = None
    seed: int = 0

    @property
    def given(self) -> tuple[str, ...]:
        """Names of the fields, beside the seed, that somebody has chosen."""
        return tuple(name for name in self.FIELDS if getattr(self, name) not in (None, ""))
