"""The global settings that training needs, set for its duration and put back afterwards.

Equal bytes need an equal number of threads, deterministic kernels and the same attention
kernel every time. These are settings of the whole process, so they are changed in one
place only, and the user's process has its own again when training ends.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from whence.core.errors import RunError
from whence.training.recipe import Attention, Recipe

DTYPES = {"float32": torch.float32, "float64": torch.float64, "bfloat16": torch.bfloat16}
_CUBLAS = "CUBLAS_WORKSPACE_CONFIG"


def implementation(attention: Attention) -> str:
    """The name under which transformers knows an attention kernel."""
    return "eager" if attention == "eager" else "sdpa"


def check_device(device: str) -> None:
    """See that a device is there.

    Raises:
        RunError: it is not.
    """
    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise RunError(
            "recipe.device",
            expected="a device that PyTorch can use here",
            got=f"{device!r} ({str(error).splitlines()[0]})",
            fix='Choose another device, such as "cpu".',
        ) from None


@contextmanager
def numerics(recipe: Recipe) -> Iterator[None]:
    """Threads, deterministic kernels, attention kernel and a private random state."""
    on_cpu = torch.device(recipe.device).type == "cpu"
    threads = torch.get_num_threads()
    deterministic = torch.are_deterministic_algorithms_enabled()
    only_warns = torch.is_deterministic_algorithms_warn_only_enabled()
    fills = torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    workspace = os.environ.get(_CUBLAS)
    devices = [] if on_cpu else [torch.device(recipe.device)]
    with ExitStack() as stack:
        stack.enter_context(torch.random.fork_rng(devices=devices))
        if recipe.attention == "math":
            stack.enter_context(sdpa_kernel(SDPBackend.MATH))
        try:
            torch.set_num_threads(recipe.threads)
            if not on_cpu:
                os.environ.setdefault(_CUBLAS, ":4096:8")
            torch.use_deterministic_algorithms(True, warn_only=not on_cpu)
            # Filling every new tensor guards against reading garbage; it costs time, not bits.
            torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
            yield
        finally:
            torch.set_num_threads(threads)
            torch.use_deterministic_algorithms(deterministic, warn_only=only_warns)
            torch.utils.deterministic.fill_uninitialized_memory = fills  # type: ignore[attr-defined]
            if workspace is None:
                os.environ.pop(_CUBLAS, None)


def machine(recipe: Recipe) -> dict[str, Any]:
    """What, beside versions, decides the last bits of a training."""
    device = torch.device(recipe.device)
    on_cpu = device.type == "cpu"
    return {
        "system": platform.system(),
        "processor": platform.machine(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "device": recipe.device,
        "device_name": "cpu" if on_cpu else torch.cuda.get_device_name(device),
        "threads": recipe.threads,
        "dtype": recipe.dtype,
        "attention": recipe.attention,
        "bits": "equal between equal machines, versions and threads"
        if on_cpu
        else "deterministic kernels where PyTorch has them; the last bits may differ",
    }
