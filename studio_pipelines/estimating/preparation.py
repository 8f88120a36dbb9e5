"""What the depth operation compiles before its first job."""


def compile_kernels() -> None:
    """Run the compiled loop once on a few pixels of each depth, in this thread alone."""
    import numpy as np
    import onnxruntime  # noqa: F401  a process that takes a dead one's place has it
    import torch  # noqa: F401  slow to import

    from studio_pipelines.media.depth_upsampling import follow_picture

    low = np.zeros((2, 2, 4), np.float32)
    out = np.empty((2, 2), np.float32)
    for dtype in (np.uint8, np.uint16, np.float32):
        for channels in (1, 3, 4):
            codes = np.zeros((2, 2, channels), dtype)
            follow_picture(codes, np.float32(1), low, low[..., :2].copy(), 0, (1.0, 1.0), out)
