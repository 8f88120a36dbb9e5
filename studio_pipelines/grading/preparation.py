"""What the grading operation compiles before its first job."""


def compile_kernels() -> None:
    """Run each compiled kernel once, on one small picture of each depth."""
    import numpy as np

    from studio_pipelines.media.colour_difference import grade_verification
    from studio_pipelines.media.grade import compile_grade
    from studio_pipelines.media.grade_bake import bake, cube_max_error
    from studio_pipelines.media.grade_recipe import GradeRecipe
    from studio_pipelines.media.matte import Qualifier
    from studio_pipelines.media.picture import Pixels

    recipe = GradeRecipe(exposure_stops=0.1)
    cube = bake(recipe)
    cube_max_error(recipe, cube)
    graded = compile_grade(GradeRecipe(exposure_stops=0.1, lut=cube))
    pictures: tuple[Pixels, ...] = (
        np.zeros((8, 8, 3), np.uint8),
        np.zeros((8, 8, 3), np.uint16),
        np.zeros((8, 8, 3), np.float32),
    )
    chained = compile_grade(GradeRecipe(exposure_stops=0.1, base=cube))
    for pixels in pictures:
        matte = Qualifier().shares(pixels)
        chained.apply(pixels, mask=matte, dither=True)
        grade_verification(pixels, graded.apply(pixels))
