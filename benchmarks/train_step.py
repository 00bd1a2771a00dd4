"""Training steps of ours beside transformers' `LlavaForConditionalGeneration` under transformers' `Trainer`.

    .venv/bin/python benchmarks/train_step.py [shape=20M,60M] [passes=2] [search=true]
    .venv/bin/python benchmarks/train_step.py gpu [stage=align,instruct,lora] [passes=1]

Measured: samples a second after warm-up, peak memory, and where the time goes. Both sides start from the
same weights (each drawn from its name), read the same samples from memory and learn by AdamW (fused, constant
rate, no clipping) from a step's summed loss over its answers, divided by their number; in fp32 the losses of
the first steps must agree to 1e-4. Each run is a process of its own, the sides take turns, medians count. A
run that other work disturbs is done again.

Samples: random words, as long as those of LLaVA-1.5's mixture are estimated to be (a log-normal spread of
each subset's text around its mean), 6 % without a picture, and as much of them answers as such questions have
(an estimate). On the CPU all lengths are a fourth: 144 visual tokens of 168 pixels, documents cut at 512.
Encoder frozen, projector and LLM learn, 32 samples a step, 2 threads, fp32, 32,000 words. Shapes are wide and
flat, as published LMs of such size are (Pythia-70M has 6 layers of 512).

Ours: our model and Task under Lightning, with guards, rows packed by best fit. The peer: the Trainer as its
users run it, micro-batches padded to their longest, encoder frozen, in the samples' order; and apart from
that in the order of its own `group_by_length` over all measured samples, whose steps are others. It clips no
gradients and logs nothing. The peer's micro-batches are those that were found the best of 1 to 16;
`search=true` tries all sizes again, and of each the one of least memory within a tenth of the fastest counts.
Pictures are prepared beforehand, for the peer normalised as well, which ours does in the step; packing and
padding are in the step.

Memory is that of the process, libraries included; `built` is what is resident before the first step, and
`activations` what the peak holds beside that, gradients and moments, which are the same on both sides.

`gpu`: Vicuna-7B and CLIP-L/14 at 336 pixels, random, lengths as they are, bf16, full activation
checkpointing; the projector alone, all, or LoRA of rank 128; and MFU. Frozen weights are bf16 on both sides,
and all weights where fp32 masters of 7B do not fit. Memory is what torch has allocated.
"""

import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from statistics import median
from typing import Any

import torch
from train_step_shared import SHAPES, Job, seconds_of_others

from vlm.training.meter import known_peak

TARGETS = {"20M": (3.0, 0.6), "60M": (2.0, 0.6)}
"""Least ratio of samples a second, most of peak memory."""
DISTURBED, TRIES = 0.1, 4
"""Processors that other work may take without a run being done again; and how often it is done at most."""
PATIENCE = 60
"""Seconds to wait for other work to end before a run is begun all the same."""


def run(job: Job, may_fail: bool = False) -> dict[str, Any] | None:
    """Do a job in a process of its own, again if others take much of the machine meanwhile.

    Returns:
        The least disturbed figures; None, if it may fail and does, for want of memory perhaps.
    """
    best = None
    for _ in range(TRIES):
        wait_for_quiet()
        found = _run_once(job, may_fail)
        best = min([best, found], key=lambda one: one["others"]) if best and found else best or found
        if not best or best["others"] < DISTURBED:
            break
    return best


def wait_for_quiet() -> None:
    """Wait until other work leaves the processors alone for some seconds."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        before = seconds_of_others()
        time.sleep(10)
        if seconds_of_others() - before < 10 * DISTURBED:
            return


def _run_once(job: Job, may_fail: bool) -> dict[str, Any] | None:
    script = Path(__file__).with_name(f"train_step_{job.side}.py")
    done = subprocess.run([sys.executable, script, json.dumps(asdict(job))], capture_output=True, text=True)
    if done.returncode:
        if may_fail:
            print(
                f"  {job.side}, {job.label}: failed: {done.stderr.strip().splitlines()[-1][:150]}", flush=True
            )
            return None
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def find_best(jobs: Sequence[Job]) -> Job:
    """Try settings of a side; return that of least memory among those within a tenth of the fastest."""
    if len(jobs) == 1:
        return jobs[0]
    found = []
    for job in jobs:
        result = run(job, may_fail=True)
        if result:
            print(f"  {job.side}, {job.label}: {describe(result)}", flush=True)
            found.append((job, result))
    fastest = max(result["rate"] for _, result in found)
    near = [(job, result) for job, result in found if result["rate"] > 0.9 * fastest]
    return min(near, key=lambda pair: pair[1]["peak"])[0]


def describe(result: Mapping[str, Any]) -> str:
    """Return the figures of a run in a line."""
    others = f", others took {result['others']:.2f} processors" if result["others"] > DISTURBED else ""
    return f"{result['rate']:.2f} samples/s, {result['peak']:,.0f} MiB at most{others}"


def check_losses(ours: Mapping[str, Any], peer: Mapping[str, Any], limit: float | None) -> None:
    """Print the losses of the first steps beside each other; stop where they differ more than they may."""
    pairs = list(zip(ours["losses"], peer["losses"], strict=True))
    print("  losses", *(f"{mine:.5f}/{theirs:.5f}" for mine, theirs in pairs))
    worst = max(abs(mine - theirs) for mine, theirs in pairs)
    print(f"  greatest difference {worst:.1e}")
    if limit is not None and not worst <= limit:
        raise SystemExit(f"the two sides do not learn the same: their losses differ by {worst}")


def compare(
    base: Job, rows: Sequence[int], micro: Sequence[int], grouped: Sequence[int], passes: int
) -> None:
    """Find each side's best setting, where there are several, then measure these in turn."""
    probe = replace(base, warm=1, steps=4)
    limit = 1e-4 if base.precision == "32-true" else None
    first = [run(replace(probe, side=s, size=n)) for s, n in (("ours", rows[0]), ("peer", micro[0]))]
    check_losses(*first, limit)
    kinds = [
        [replace(probe, side="ours", size=size) for size in rows],
        [replace(probe, side="peer", size=size) for size in micro],
        [replace(probe, side="peer", size=size, grouped=True) for size in grouped],
    ]
    measured = [replace(find_best(jobs), warm=base.warm, steps=base.steps) for jobs in kinds]
    results: list[list[Any]] = [[], [], []]
    for _ in range(passes):
        for job, seen in zip(measured, results, strict=True):
            seen.append(run(job))
            print(f"  {job.side}, {job.label}: {describe(seen[-1])}", flush=True)
    ours, *peers = (middle(seen) for seen in results)
    for job, peer in zip(measured[1:], peers, strict=True):
        print(f"  beside {job.label}")
        report(base, ours, peer)
    parts = [run(replace(job, profile=True)) for job in measured[:2]]
    print_parts(*(result["parts"] for result in parts))


def middle(results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the medians of several runs' figures."""
    keys = ("rate", "peak", "built", "activations", "flops", "padded")
    return {key: median(result[key] for result in results) for key in keys}


def report(base: Job, ours: Mapping[str, Any], peer: Mapping[str, Any]) -> None:
    """Print the two sides, their ratios and the targets."""
    peak = known_peak() if base.device == "cuda" else None
    print(f"  {'':16}{'ours':>12}{'peer':>12}{'ratio':>8}  target")
    least, most = TARGETS.get(base.shape, (None, None))
    for label, key, target in (
        ("samples/s", "rate", f">= {least}" if least else ""),
        ("peak, MiB", "peak", f"<= {most}" if most else ""),
        ("built, MiB", "built", ""),
        ("activations, MiB", "activations", ""),
        ("tokens computed", "padded", ""),
    ):
        ratio = ours[key] / peer[key]
        print(f"  {label:16}{ours[key]:12,.2f}{peer[key]:12,.2f}{ratio:8.2f}  {target}")
    per_sample = ours["flops"]
    useful = [side["rate"] * per_sample for side in (ours, peer)]
    print(f"  {'useful GFLOP/s':16}{useful[0] / 1e9:12,.0f}{useful[1] / 1e9:12,.0f}")
    if peak:
        print(f"  {'MFU':16}{useful[0] / peak / 1e12:12.1%}{useful[1] / peak / 1e12:12.1%}")


def print_parts(ours: Mapping[str, float], peer: Mapping[str, float]) -> None:
    """Print milliseconds a sample of each part."""
    print(f"  {'ms a sample':16}{'ours':>12}{'peer':>12}")
    for label in ours:
        print(f"  {label:16}{1000 * ours[label]:12.2f}{1000 * peer[label]:12.2f}")


def on_cpu(options: Mapping[str, str]) -> None:
    """Compare the small shapes."""
    search = options.get("search") == "true"
    settings = [[512, 1024, 2048, 4096], [1, 4, 8], [2, 4, 8, 16]] if search else [[2048], [4], [8]]
    for name in options.get("shape", "20M,60M").split(","):
        shape = SHAPES[name]
        print(f"{name}: LLM {shape.text}, encoder {shape.vision} (dim, inner dim, layers, heads)", flush=True)
        base = Job("ours", 0, shape=name)
        compare(base, *settings, int(options.get("passes", 2)))


def on_gpu(options: Mapping[str, str]) -> None:
    """Compare Vicuna-7B's shape, stage by stage."""
    if not torch.cuda.is_available():
        raise SystemExit("gpu: no CUDA device here; run it on a machine that has one, or leave `gpu` out")
    large = torch.cuda.get_device_properties(0).total_memory > 130e9
    name = options.get("shape", "7B")
    for stage in options.get("stage", "align,instruct,lora").split(","):
        precision = "bf16-true" if stage == "instruct" and not large else "bf16-mixed"
        print(f"{name}, {stage}, {precision}, {torch.cuda.get_device_name()}", flush=True)
        base = Job(
            "ours", 0, shape=name, stage=stage, device="cuda", precision=precision, batch=64, steps=6,
            learning_rate=1e-4, checkpointing=True,
        )  # fmt: skip
        compare(base, [8192, 16384, 32768], [4, 8, 16], [4, 8, 16], int(options.get("passes", 1)))


def main() -> None:
    """Print what is found."""
    options = dict(word.split("=") for word in sys.argv[1:] if "=" in word)
    (on_gpu if "gpu" in sys.argv[1:] else on_cpu)(options)


if __name__ == "__main__":
    main()
