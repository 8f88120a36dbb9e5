"""What a camera makes of light: defocus, exposure, a curve, vignette, noise, JPEG."""

import cv2
import numpy as np

from training.depth.textures import Rng, tint

_BLURS = (0.7, 1.4, 2.5, 4.0, 6.5)


def defocused(rng: Rng, light: np.ndarray, inverse_depth: np.ndarray) -> np.ndarray:
    """Return a picture in focus at one distance."""
    near = inverse_depth / max(np.percentile(inverse_depth, 95), 1e-9)
    focus = rng.uniform(0.3, 1) if rng.random() < 0.8 else rng.uniform(0, 0.3)
    circle = (np.abs(near - focus) * rng.uniform(1, 9)).astype(np.float32)
    made = light.astype(np.float32)
    for blur in _BLURS:
        blurred = cv2.GaussianBlur(light.astype(np.float32), (0, 0), blur)
        wide = cv2.GaussianBlur(circle, (0, 0), blur * 0.7)
        share = np.clip((wide - blur * 0.7) / (blur * 0.4), 0, 1)[..., None]
        made = made * (1 - share) + blurred * share
    return made


def photographed(rng: Rng, light: np.ndarray, *, is_night: bool) -> np.ndarray:
    """Return sRGB uint8 code values of linear light."""
    height, width = light.shape[:2]
    white = np.percentile(light.mean(2), 99.5 if is_night else rng.uniform(85, 98))
    exposed = light / max(white, 1e-4) * rng.uniform(0.55, 1.05) * tint(rng, 0.12)
    if rng.random() < 0.5:
        exposed = exposed / (1 + exposed * 0.25) * 1.25
    codes = np.clip(exposed, 0, 1) ** (1 / 2.2 * rng.uniform(0.8, 1.25))
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    codes = codes * (1 - rng.uniform(0, 0.3) * (x**2 + y**2) / 2)[..., None]
    codes = cv2.GaussianBlur(codes.astype(np.float32), (0, 0), rng.uniform(0.45, 0.9))
    codes = codes + rng.normal(0, abs(rng.normal(0, 0.05 if is_night else 0.02)), codes.shape)
    if rng.random() < 0.06:
        codes = np.repeat(codes.mean(2, keepdims=True), 3, 2)
    pixels = np.round(np.clip(codes, 0, 1) * 255).astype(np.uint8)
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(55, 98))]
    written = cv2.imencode(".jpg", pixels[..., ::-1], quality)[1]
    return np.ascontiguousarray(cv2.imdecode(written, cv2.IMREAD_COLOR)[..., ::-1])
