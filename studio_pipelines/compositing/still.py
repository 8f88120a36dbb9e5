"""Cut a picture's subject out, lay it over a background, and lay out the results in a folder."""

from pathlib import Path
from time import perf_counter

from studio_pipelines.compositing.cutting import Means, Report, cut_out
from studio_pipelines.compositing.parameters import VfxComposite, wanted_outputs
from studio_pipelines.compositing.stills import Stills
from studio_pipelines.kept_files import Made


def composite_still(
    params: VfxComposite, stills: Stills, means: Means, folder: Path, report: Report
) -> Made:
    """Cut out, lay over, and write everything that was asked for.

    Args:
        params: What is asked for.
        stills: The pictures.
        means: How the subject is found.
        folder: Where the files go.
        report: Is told how far the work is.
    """
    from studio_pipelines.compositing.results import write_results

    has_background = stills.background is not None or params.background_colour is not None
    outputs = wanted_outputs(params, has_background=has_background, is_video=False)
    started_s = perf_counter()
    cut = cut_out(params, stills, means, report)
    cut_s = perf_counter() - started_s
    files, told, notes = write_results(params, outputs, cut, folder, report)
    height, width = cut.cutout.alpha.shape
    return Made(
        files=files,
        metrics={
            "megapixels": height * width / 1e6,
            "cutMs": round(1000 * cut_s, 3),
            "bitDepth": 8 * cut.layer.codes.itemsize,
            **told,
        },
        verification=cut.verification(),
        notes=(*cut.notes, *notes),
    )
