"""What the compositing operation compiles and imports before its first job."""


def compile_kernels() -> None:
    """Run each compiled loop once on a few pixels of each depth, in this thread alone."""
    import numpy as np
    import onnxruntime  # noqa: F401  a process that takes a dead one's place has it

    from studio_pipelines.media import blend_kernels as blend
    from studio_pipelines.media.guided_matte import follow_guide
    from studio_pipelines.media.tone_curves import srgb_curves

    curves = srgb_curves()
    tables = (curves.light, curves.starts)
    low, scale = np.zeros((2, 2, 6), np.float32), (0.25, 0.25)
    alpha = np.full((8, 8), 32768, np.uint16)
    key = np.array([-1, 2, -1], np.float32) / np.float32(6**0.5)
    trimap = np.full((8, 8), 128, np.uint8)
    pictures = (np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8, 3), np.uint16))
    for codes in pictures:
        out = np.empty_like(codes)
        blend.lay_over(codes, alpha, codes, *tables, out)
        blend.wrap_light(out, alpha, low[..., :4].copy(), 0, scale, *tables)
        blend.uncover(codes, alpha, low, 0, scale, *tables, out)
        blend.take_spill(out, alpha, key, 0.5, *tables)
        blend.encode_light(np.zeros((4, 3), np.float32), *tables, out.reshape(-1, 3)[:4])
        coefficients = np.zeros((2, 2, 4), np.float32)
        follow_guide(codes, np.float32(255), coefficients, trimap[:2, :2].copy(), 0, scale, alpha)
    blend.mean_spill(np.zeros((1, 3), np.float32), key)


def prepare_pymatting() -> None:
    """Solve a few pixels, in the process that runs jobs.

    On import PyMatting's loops open OpenMP, which ends a process that was forked after it.
    """
    import numpy as np

    from studio_pipelines.media.closed_form import solve_closed_form

    trimap, shares = np.full((8, 8), 128, np.uint8), np.zeros((8, 8), np.float32)
    solve_closed_form(np.zeros((8, 8, 3), np.float32), trimap, shares)
