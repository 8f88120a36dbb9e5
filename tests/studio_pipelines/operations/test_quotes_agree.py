"""The model that a quote and a recipe name is the one that the result names, for each operation."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from PIL import Image
from running_studio import RunningStudio

from studio_pipelines.catalogue import operations

pytestmark = pytest.mark.stack
CLICK = {"points": [{"x": 60, "y": 40}]}
# Of each operation: inputs by name, fields, and the models of the recipe, the main one first.
CASES: dict[str, tuple[str, dict[str, str], dict[str, Any], tuple[str, ...]]] = {
    "composite": ("vfx_composite", {"foreground": "face"}, {"model": "fast"}, ("u2netp",)),
    "composite by a mask": (
        "vfx_composite", {"foreground": "face", "mask": "disc"}, {}, ("studio-composite",),
    ),
    "composite by a trimap": (
        "vfx_composite", {"foreground": "face", "trimap": "unsure"}, {}, ("studio-composite",),
    ),
    "grade by hand": ("grading_apply", {"image": "face"}, {"exposure": 1}, ("studio-grade",)),
    "grade by a network": (
        "grading_apply", {"image": "face"}, {"auto": True}, ("maxim-retouching",),
    ),
    "inpaint a mask": (
        "image_inpaint", {"image": "face", "mask": "disc"}, {}, ("studio-patchmatch",),
    ),
    "inpaint a click": (
        "image_inpaint", {"image": "face"}, CLICK, ("studio-patchmatch", "mobile-sam"),
    ),
    "segment a click": ("mask_segment", {"image": "face"}, CLICK, ("mobile-sam",)),
    "segment a mask": ("mask_segment", {"image": "face", "mask": "disc"}, {}, ("mobile-sam",)),
    "segment the subject": (
        "mask_segment", {"image": "face"}, {"subject": True, "model": "u2netp"}, ("u2netp",),
    ),
    "depth": ("depth_estimate", {"image": "face"}, {}, ("studio-depth-small", "isnet-medium")),
    "demix": ("audio_demix", {"audio": "song"}, {"stems": 2}, ("spleeter-2stems",)),
    "master": ("audio_master", {"audio": "song"}, {}, ("studio-master",)),
    "master after another": (
        "audio_master", {"audio": "song", "reference": "song"}, {}, ("studio-master",),
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def media(media_studio: RunningStudio, samples: Path) -> dict[str, str]:
    def png_of(pixels: np.ndarray) -> str:
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "png")
        return media_studio.upload(file.getvalue())

    face = Image.open(samples / "astronaut.jpg").crop((150, 40, 310, 160))
    y, x = np.ogrid[:120, :160]
    away = np.hypot(y - 55, x - 75)
    song, rate_hz = soundfile.read(samples / "music-mix.flac", frames=4 * 44_100)
    sound = io.BytesIO()
    soundfile.write(sound, song, rate_hz, format="FLAC")
    return {
        "face": png_of(np.asarray(face)),
        "disc": png_of(np.uint8(255) * (away < 30)),
        "unsure": png_of(np.where(away < 20, 255, np.where(away < 40, 128, 0)).astype(np.uint8)),
        "song": media_studio.upload(sound.getvalue()),
    }


def test_each_operation_is_asked() -> None:
    assert {name for name, *_ in CASES.values()} == set(operations())


@pytest.mark.parametrize("case", CASES)
def test_quote_recipe_and_result_name_the_same_model(
    media_studio: RunningStudio, media: dict[str, str], case: str
) -> None:
    name, inputs, fields, models = CASES[case]
    route = f"/api{operations()[name].route}"
    asked = {**{field: media[one] for field, one in inputs.items()}, **fields}
    quote = media_studio.client.post(route, json={**asked, "dryRun": True}).json()["quote"]
    answer = media_studio.client.post(route, json=asked, timeout=180)
    assert answer.status_code == 200, answer.text
    told = media_studio.client.get(f"/api/jobs/{answer.json()['jobId']}/recipe").json()
    (step,) = told["recipe"]["steps"].values()
    assert tuple(one["name"] for one in step["models"]) == models
    identity = answer.json()["data"]["model"]
    for one in (quote["model"], step["models"][0]):
        assert {key: one[key] for key in identity} == identity
