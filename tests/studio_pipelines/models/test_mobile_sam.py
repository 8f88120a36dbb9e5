"""MobileSAM as it is pulled: the opened decoder beside the export, and what it finds."""

import io
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from PIL import Image

from studio_pipelines.errors import UnusableModel
from studio_pipelines.media.picture import Picture
from studio_pipelines.media.seen_picture import SeenPicture, UnreadableRecord, shown, view_of
from studio_pipelines.media.segment_frame import Frame, Window
from studio_pipelines.media.segmentation import INSIDE, Prompt, masks_by_prompt
from studio_pipelines.model_shelf import model_shelf
from studio_pipelines.models.mobile_sam import MobileSam, convert
from studio_pipelines.settings import load_settings

SAMPLES = Path(__file__).resolve().parents[3] / "samples"
