"""Make the sample pictures from four freely licensed photographs (``docs/samples.md``).

The photographs lie in two Python packages; unpack their wheels and name the folders:

    python samples/make_pictures.py SCIKIT_IMAGE_FOLDER SCIKIT_LEARN_FOLDER
"""

import shutil
import sys
from pathlib import Path

import pyvips
from PIL import ExifTags, Image

SAMPLES = Path(__file__).parent
JPEG_QUALITY = 93
ROTATE_90_CLOCKWISE_TO_SHOW = 6  # EXIF 2.32, tag Orientation


def make_astronaut(source: Path) -> None:
    """Write a plain 8-bit sRGB JPEG."""
    with Image.open(source) as picture:
        picture.save(
            SAMPLES / "astronaut.jpg",
            quality=JPEG_QUALITY,
            subsampling="4:4:4",
            optimize=True,
            icc_profile=picture.info.get("icc_profile"),
        )


def make_rocket(source: Path) -> None:
    """Write a JPEG whose pixels lie on their side, as a camera held upright stores them."""
    with Image.open(source) as picture:
        exif = Image.Exif()
        exif[ExifTags.Base.Orientation] = ROTATE_90_CLOCKWISE_TO_SHOW
        picture.transpose(Image.Transpose.ROTATE_90).save(
            SAMPLES / "rocket-sideways.jpg",
            quality=JPEG_QUALITY,
            subsampling="4:4:4",
            optimize=True,
            icc_profile=picture.info.get("icc_profile"),
            exif=exif,
        )


def make_coffee(source: Path) -> None:
    """Write a 16-bit Display P3 PNG.

    Halving the picture in linear light averages four 8-bit pixels into one, so that the 16 bits
    hold values between the 8-bit steps.
    """
    picture = pyvips.Image.new_from_file(str(source)).colourspace("scrgb").resize(0.5)
    picture = picture.colourspace("rgb16").icc_transform("p3", input_profile="srgb", depth=16)
    picture.write_to_file(
        str(SAMPLES / "coffee-p3-16bit.png"), compression=9, filter="all", keep="icc"
    )


def main(scikit_image: Path, scikit_learn: Path) -> None:
    """Write the four pictures."""
    make_astronaut(scikit_image / "skimage/data/astronaut.png")
    make_rocket(scikit_image / "skimage/data/rocket.jpg")
    make_coffee(scikit_image / "skimage/data/coffee.png")
    shutil.copyfile(scikit_learn / "sklearn/datasets/images/china.jpg", SAMPLES / "tower.jpg")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
