"""Learn the head from encoded scenes."""

from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from studio_pipelines.models.depth_head import DepthHead

SEED = 0
_BATCH, _RATE, _DECAY, _DROPPED = 8, 1e-3, 0.03, 0.05
_GRADIENTS, _SCALES = 0.4, 4
_VALIDATION = 64


@dataclass
class Example:
    """A scene as the encoder sees it.

    Attributes:
        stages: (2, channels, height, width) in half precision, the second mirrored.
        truth: Inverse depth, (height, width).
    """

    stages: list[Tensor]
    truth: Tensor


def levelled(values: Tensor) -> Tensor:
    """Return (pictures, height, width) with median 0 and mean absolute deviation 1."""
    middle = values.flatten(1).median(1)[0][:, None, None]
    spread = (values - middle).abs().mean((1, 2), keepdim=True).clamp_min(1e-6)
    return (values - middle) / spread


def loss_of(found: Tensor, truth: Tensor) -> Tensor:
    """Return how far two inverse depths are apart up to scale and shift, and their steps."""
    found, truth = levelled(found), levelled(truth)
    loss = functional.smooth_l1_loss(found, truth, beta=0.1)
    for scale in range(_SCALES):
        apart = (found - truth)[:, :: 2**scale, :: 2**scale]
        down, across = apart.diff(dim=1).abs().mean(), apart.diff(dim=2).abs().mean()
        loss = loss + _GRADIENTS * (down + across)
    return loss


def read_examples(folder: Path) -> list[Example]:
    """Return all encoded scenes, in the order of their numbers."""
    found = []
    for path in sorted(folder.glob("*.pt")):
        kept = torch.load(path, mmap=True)
        found.append(Example(kept["stages"], kept["truth"]))
    return found


def _batch(examples: list[Example], chosen: np.ndarray, mirrored: np.ndarray) -> tuple:
    stages = [
        torch.stack(
            [examples[i].stages[k][int(m)] for i, m in zip(chosen, mirrored, strict=True)]
        ).float()
        for k in range(4)
    ]
    truths = [
        examples[i].truth.flip(-1) if m else examples[i].truth
        for i, m in zip(chosen, mirrored, strict=True)
    ]
    return stages, torch.stack(truths)


def validation_loss(head: DepthHead, examples: list[Example]) -> float:
    """Return the mean loss over scenes that were not learned from."""
    head.eval()
    with torch.inference_mode():
        losses = [
            float(loss_of(head([one[:1].float() for one in e.stages]), e.truth[None]))
            for e in examples
        ]
    head.train()
    return float(np.mean(losses))


def learn(folder: Path, steps: int, target: Path, threads: int) -> float:
    """Learn in so many steps, store the head's weights, and return its validation loss.

    The first scenes, by number, are kept for validation.
    """
    torch.manual_seed(SEED)
    torch.set_num_threads(threads)
    rng = np.random.default_rng(SEED)
    examples = read_examples(folder)
    validation, examples = examples[:_VALIDATION], examples[_VALIDATION:]
    alike: dict[tuple[int, ...], list[int]] = {}
    for place, example in enumerate(examples):
        alike.setdefault(tuple(example.truth.shape), []).append(place)
    shapes = list(alike)
    shares = np.array([len(alike[shape]) for shape in shapes]) / len(examples)
    head = DepthHead()
    optimiser = torch.optim.AdamW(head.parameters(), lr=_RATE, weight_decay=_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, _RATE, total_steps=steps, pct_start=0.08
    )
    started_s, running = perf_counter(), 0.0
    print(f"{len(examples)} scenes, {len(validation)} for validation", flush=True)
    for step in range(1, steps + 1):
        group = alike[shapes[rng.choice(len(shapes), p=shares)]]
        chosen = rng.choice(group, min(_BATCH, len(group)), replace=False)
        stages, truth = _batch(examples, chosen, rng.random(len(chosen)) < 0.5)
        with torch.autocast("cpu", torch.bfloat16):
            found = head(stages, _DROPPED)
        loss = loss_of(found.float(), truth)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(head.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        running += loss.item()
        if step % 100 == 0:
            told = f"{validation_loss(head, validation):.3f}" if step % 400 == 0 else ""
            per_step = (perf_counter() - started_s) / step
            print(f"{step} {running / 100:.3f} {told} {per_step:.2f} s a step", flush=True)
            running = 0.0
    _store(head, target)
    return validation_loss(head, validation)


def _store(head: DepthHead, target: Path) -> None:
    """Keep the weights in half precision."""
    from safetensors.torch import save_file

    weights = {name: value.half().contiguous() for name, value in head.state_dict().items()}
    save_file(weights, target)
