"""The chains of the studio, written out: which op's result goes into which op's input."""

from resources.handover import Handover
from studio_pipelines.chain import Chain, Step, Steps
from studio_pipelines.steps import stem_mix

STEMS = ("vocals", "accompaniment", "drums", "bass", "other", "guitar", "piano")
_SOUND = "asset:ast_0123456789abcdef01234567"
_PICTURE = "asset:ast_0123456789abcdef01234567"
_MASK = "asset:ast_89abcdef0123456701234567"


def demix_master(step: Steps) -> None:
    """Separate a song into stems, mix them anew and master the mix."""
    step["audio_master"](audio=step["stem_mix"](stems=step["audio_demix"]()))


def inpaint_grade(step: Steps) -> None:
    """Remove an object from a picture and grade what is left."""
    step["grading_apply"](image=step["image_inpaint"]())


def segment_inpaint_grade(step: Steps, image: Handover) -> None:
    """Find an object by a click or a box, remove it from the picture and grade what is left."""
    mask = step["mask_segment"](image=image)
    step["grading_apply"](image=step["image_inpaint"](image=image, mask=mask))


CHAINS = (
    Chain(
        name="demix-master",
        compose=demix_master,
        steps=(
            # In floating point, so that the stems add up to the song to the last bit.
            Step("audio_demix", parts=STEMS, defaults={"format": "float32"}),
            Step(stem_mix.STEP),
            Step("audio_master"),
        ),
        timeout_s=2 * 3600,
        examples={
            "louder voice": {
                "audio": _SOUND,
                "audio_demix": {"stems": 4},
                "stem_mix": {"gains": {"vocals": 2, "drums": -1.5}},
                "audio_master": {"preset": "streaming"},
            }
        },
    ),
    Chain(
        name="inpaint-grade",
        compose=inpaint_grade,
        steps=(Step("image_inpaint"), Step("grading_apply", withheld=("video",))),
        examples={
            "remove and warm": {
                "image": _PICTURE,
                "mask": _MASK,
                "grading_apply": {"temperature": 20, "contrast": 1.1},
            }
        },
    ),
    Chain(
        name="segment-inpaint-grade",
        compose=segment_inpaint_grade,
        steps=(
            Step("mask_segment"),
            Step("image_inpaint"),
            Step("grading_apply", withheld=("video",)),
        ),
        examples={
            "click and remove": {
                "image": _PICTURE,
                "mask_segment": {"points": [{"x": 320, "y": 240, "label": 1}]},
                "grading_apply": {"exposure": 0.3},
            }
        },
    ),
)
