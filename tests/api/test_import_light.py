"""The API process stays small: it decodes nothing and computes nothing."""

import json
import os
import subprocess
import sys
from pathlib import Path

HEAVY = {
    "av",
    "cv2",
    "matplotlib",
    "numba",
    "numpy",
    "onnxruntime",
    "OpenImageIO",
    "pandas",
    "PIL",
    "PyOpenColorIO",
    "pyvips",
    "scipy",
    "soundfile",
    "torch",
    "transformers",
}
MAKES_THE_APP = """\
import json, sys
from api.app import create_app
create_app().openapi()
print(json.dumps(sorted(name for name in sys.modules if "." not in name)))
"""


def test_the_service_imports_no_heavy_library() -> None:
    answer = subprocess.run(
        [sys.executable, "-c", MAKES_THE_APP],
        env=dict(os.environ),
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(json.loads(answer.stdout.splitlines()[-1]))
    assert "fastapi" in loaded
    assert loaded & HEAVY == set()
