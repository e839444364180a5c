"""Adam's moments from one iteration to the next, as safetensors: steps then follow the run's gradients, not a single
round's, whose sign alone a fresh Adam would see."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...run.stage import StageError

MOMENTS = ("exp_avg", "exp_avg_sq", "step")


def save_moments(model: Any, optimizer: Any, file: Path) -> None:
    """Write the moments of ``model``'s trained parameters."""
    from safetensors.torch import save_file

    tensors = {
        f"{name}/{key}": state[key].detach().cpu().contiguous()
        for name, parameter in _trained(model)
        if (state := _inner(optimizer).state.get(parameter))
        for key in MOMENTS
    }
    save_file(tensors, str(file))


def load_moments(model: Any, optimizer: Any, file: Path) -> bool:
    """Go on with the moments saved in ``file``; False when there is none.

    Raises StageError for those of another model.
    """
    from safetensors.torch import load_file

    if not file.is_file():
        return False
    saved = load_file(str(file))
    inner, parameters = _inner(optimizer), dict(_trained(model))
    for name, parameter in parameters.items():
        found = {key: saved.pop(f"{name}/{key}", None) for key in MOMENTS}
        if all(value is None for value in found.values()):
            continue  # it never had a gradient
        if any(value is None for value in found.values()) or found["exp_avg"].shape != parameter.shape:  # type: ignore[union-attr]
            raise StageError(f"{file}: {name} is not the model's; delete the file, or set grpo.carry_optimizer=false")
        inner.state[parameter] = {
            key: value if key == "step" else value.to(parameter)  # type: ignore[union-attr]
            for key, value in found.items()
        }
    if saved:
        raise StageError(f"{file}: the model has no {next(iter(saved))}; set grpo.carry_optimizer=false")
    return True


def _trained(model: Any) -> Iterator[tuple[str, Any]]:
    return ((name, p) for name, p in model.named_parameters() if p.requires_grad)


def _inner(optimizer: Any) -> Any:
    """The optimiser inside accelerate's wrapper."""
    return getattr(optimizer, "optimizer", optimizer)
