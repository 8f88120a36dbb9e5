"""Learn the head from encoded scenes.

Most of it happens on what the encoder saw pooled to half the resolution, a quarter of the work; the
rest, with the rates at their lowest, on all of it.
"""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from studio_pipelines.models.depth_head import DepthHead

SEED = 0
_RATE, _DECAY, _DROPPED = 1e-3, 0.03, 0.05
_ROUGH_SHARE, _ROUGH_BATCH, _BATCH = 0.7, 8, 4
_GRADIENTS, _SCALES = 0.4, 4
_VALIDATION = 24
_STAGES = 4
_TOLD_EACH = 50


@dataclass
class Example:
    """A scene as the encoder sees it.

    Attributes:
        stages: (channels, height, width) each, in half precision.
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


def _stacked(examples: list[Example]) -> tuple[list[Tensor], Tensor]:
    """Return examples of one shape as a batch."""
    stages = [torch.stack([one.stages[k] for one in examples]).float() for k in range(_STAGES)]
    return stages, torch.stack([one.truth for one in examples])


def validation_loss(head: DepthHead, examples: list[Example]) -> float:
    """Return the mean loss over scenes that were not learned from."""
    head.eval()
    with torch.inference_mode():
        losses = [loss_of(head(stages), truth) for stages, truth in map(_alone, examples)]
    head.train()
    return float(np.mean(losses))


def _alone(example: Example) -> tuple[list[Tensor], Tensor]:
    return _stacked([example])


def learn(
    folder: Path, steps: int, target: Path, processes: int = 1, until: int | None = None
) -> None:
    """Learn in so many steps, and keep the head's weights and what was told of them.

    The first scenes, by number, are kept for validation. ``until`` ends it at an earlier step of
    the same schedule, by when the rates are low. Each process of one thread takes its part
    of a batch: threads that share a small step wait for each other, and longer on a busy machine.
    """
    with tempfile.TemporaryDirectory() as meeting:
        address = f"file://{meeting}/store"
        arguments = (processes, address, folder, steps, target, until or steps)
        torch.multiprocessing.spawn(_learn, arguments, nprocs=processes)


def _learn(
    place: int, processes: int, address: str, folder: Path, steps: int, target: Path, until: int
) -> None:
    torch.distributed.init_process_group("gloo", address, world_size=processes, rank=place)
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    head, rng = DepthHead(), np.random.default_rng((SEED, place))
    examples = read_examples(folder)
    validation, examples = examples[:_VALIDATION], examples[_VALIDATION:]
    batches = _batches(examples, steps, processes, rng)
    optimiser = torch.optim.AdamW(head.parameters(), lr=_RATE, weight_decay=_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, _RATE, total_steps=steps, pct_start=0.08
    )
    started_s, running = perf_counter(), 0.0
    for step, (stages, truth) in enumerate(batches, 1):
        loss = loss_of(head(stages, _DROPPED), truth)
        optimiser.zero_grad()
        loss.backward()
        _share_gradients(head, processes)
        torch.nn.utils.clip_grad_norm_(head.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        running += loss.item()
        if step % _TOLD_EACH == 0 and place == 0:
            per_step_s = (perf_counter() - started_s) / step
            print(f"{step}: {running / _TOLD_EACH:.3f}, {per_step_s:.2f} s a step", flush=True)
            running = 0.0
            _store(head, target)
        if step == until:
            break
    if place == 0:
        _store(head, target)
        print(f"{len(examples)} scenes; validation {validation_loss(head, validation):.3f}")
    torch.distributed.destroy_process_group()


def _batches(
    examples: list[Example], steps: int, processes: int, rng: np.random.Generator
) -> Iterator[tuple[list[Tensor], Tensor]]:
    """Give one process's part of each step's batch; all of a batch have one shape."""
    alike: dict[tuple[int, ...], list[int]] = {}
    for place, example in enumerate(examples):
        alike.setdefault(tuple(example.truth.shape), []).append(place)
    groups = list(alike.values())
    shares = np.array([len(group) for group in groups]) / len(examples)
    for step in range(1, steps + 1):
        is_rough = step <= _ROUGH_SHARE * steps
        group = groups[rng.choice(len(groups), p=shares)]
        count = (_ROUGH_BATCH if is_rough else _BATCH) // processes
        chosen = rng.choice(group, min(count, len(group)), replace=False)
        stages, truth = _stacked([examples[place] for place in chosen])
        if is_rough:
            stages = [functional.avg_pool2d(one, 2, ceil_mode=True) for one in stages]
            truth = functional.adaptive_avg_pool2d(truth, stages[0].shape[-2:])
        yield stages, truth


def _share_gradients(head: DepthHead, processes: int) -> None:
    """Bring each process's gradients to the mean of all."""
    gradients = [one.grad for one in head.parameters() if one.grad is not None]
    flat = torch.cat([one.flatten() for one in gradients])
    torch.distributed.all_reduce(flat)
    flat /= processes
    for one, mean in zip(gradients, flat.split([one.numel() for one in gradients]), strict=True):
        one.copy_(mean.view_as(one))


def _store(head: DepthHead, target: Path) -> None:
    """Keep the weights in half precision."""
    from safetensors.torch import save_file

    weights = {name: value.half().contiguous() for name, value in head.state_dict().items()}
    save_file(weights, target)
