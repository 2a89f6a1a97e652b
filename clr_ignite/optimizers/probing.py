"""Whether an optimizer's step uses the rate that its group has at that step.

Not all do: torch's ASGD is a step late, Rprop takes the first rate alone, Adafactor caps it, and
others make their own. A list of names would miss the next one; so another optimizer of the same
class takes a few steps on a parameter of its own, twice, with one rate changed. Where that changes
nothing, the rate was not used. What cannot be constructed anew so is believed.
"""

from __future__ import annotations

import contextlib
import copy
import inspect
import io
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn

from clr_ignite.no_trace.random_states import random_states
from clr_ignite.optimizers.rates import defaults_of
from clr_ignite.optimizers.wrapped import inner_optimizers

_FIRST, _STEPS = 3, 16  # of a probe: numbers, for a step may wait for those of other processes
_WORDS = {
    "ASGD": "its step uses the rate of the step before",
    "Rprop": "it reads the rate in its first step only",
    "Adafactor": "its step never uses a rate above 1 / sqrt(step), or makes its own",
    "AdamG": "its step never uses a rate above 1 / sqrt(step)",
}
_CAPPED = ("Adafactor", "AdamG")
_lock = threading.Lock()
Options = tuple[tuple[str, Any], ...]


def warn_of_unused_rate(
    optimizer: torch.optim.Optimizer, rates: Sequence[float] | None = None
) -> bool:
    """Warn where ``optimizer``, or one inside it, does not use one of ``rates`` at its step.

    Args:
        rates: those to come; None where any may come.

    Returns:
        Whether that is so.
    """
    found = (optimizer, *inner_optimizers(optimizer))
    one = next((one for one in found if _leaves_unused(one, rates)), None)
    if one is not None:
        kind = type(one).__name__
        name = _known(kind)
        words = _WORDS[name] if name else "its step does not use the rate that its group has then"
        warnings.warn(
            f"{kind}: {words}, so the rates set here are not those that it trains with, "
            "and a range test files losses under rates that did not make them. Use an optimizer "
            "that takes its group's lr, or switch its own rate off",
            stacklevel=3 if rates is None else 4,  # the line that attaches, or runs the test
        )
    return one is not None


def warn_of_remembered_rate(optimizer: torch.optim.Optimizer, rates: Sequence[float]) -> None:
    """Warn where a step depends on the rate that ``optimizer`` was constructed with, too."""
    some = tuple(rate for rate in rates if rate > 0)[:_FIRST]
    each = [_options(optimizer, at) for at in range(len(optimizer.param_groups))]
    probed = (_cached(_remembers, type(optimizer), one, some) for one in each if one is not None)
    if not some or not any(probed):
        return
    lr = defaults_of(optimizer).get("lr")
    warnings.warn(
        f"{type(optimizer).__name__}: its step depends on the lr that it was constructed with, too "
        f"({lr}), as a weight decay in proportion to lr over that one does. What a range test "
        "finds holds for it: keep it, and let a ScheduleHandler set the rates",
        stacklevel=4,  # the line that runs the test
    )


def _known(kind: str) -> str | None:
    return next((name for name in _WORDS if name.lower() == kind.lower()), None)


def _leaves_unused(optimizer: torch.optim.Optimizer, rates: Sequence[float] | None) -> bool:
    kind, options = type(optimizer), _options(optimizer)
    if options is None:
        return False
    name = _known(kind.__name__)
    if rates is None:
        lr = float(optimizer.param_groups[0]["lr"])
        probes = [[lr or 1.0] * _STEPS]
        capped = name in _CAPPED
    else:
        rates = [rate for rate in rates if rate > 0]
        probes = [[*rates[: _STEPS - 1], rates[-1]]]
        capped = name in _CAPPED and any(r > (t + 1) ** -0.5 for t, r in enumerate(rates))
    if capped:  # only after more steps than a probe has, or not at all: as it was constructed
        probes.append([1.0] * _STEPS)
    return any(_cached(_unused, kind, options, tuple(probe)) for probe in probes)


def _options(optimizer: torch.optim.Optimizer, at: int = 0) -> Options | None:
    """What to construct another one of this group with; None where its class asks for more, or for
    tensors: they may be the model's, which no step of a probe is to move."""
    try:
        parameters = list(inspect.signature(type(optimizer)).parameters.values())[1:]
    except (TypeError, ValueError):
        return None
    group = {**defaults_of(optimizer), **optimizer.param_groups[at]}
    del group["params"]
    given = {p.name: group[p.name] for p in parameters if p.name in group and p.name != "lr"}
    named = (p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY))
    if any(p.default is p.empty and p.name not in given and p.name != "lr" for p in named):
        return None
    given |= {name: False for name in ("capturable", "fused", "foreach") if name in given}
    return tuple(given.items()) if "lr" in group and _is_plain(given) else None


def _is_plain(value: object) -> bool:
    """Whether there is no tensor, module or optimizer in it."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple | set):
        return all(map(_is_plain, value))
    return not isinstance(value, Tensor | torch.optim.Optimizer | nn.Module)


def _cached(probe: Any, kind: Any, options: Options, rates: tuple[float, ...]) -> bool:
    try:
        return bool(probe(kind, options, rates))
    except TypeError:  # options that are no key of a cache
        return bool(probe.__wrapped__(kind, options, rates))


@lru_cache(maxsize=256)
def _unused(kind: Any, options: Options, rates: tuple[float, ...]) -> bool:
    """Whether the third step, or the last one, is the same at nine tenths of its rate."""
    with _lock, _aside():
        try:
            return any(_alike(kind, options, some) for some in (rates[:_FIRST], rates))
        except Exception:  # a class that wants other parameters or gradients: nothing is known
            return False


@lru_cache(maxsize=256)
def _remembers(kind: Any, options: Options, rates: tuple[float, ...]) -> bool:
    """Whether the last step is another one after construction with half the rate."""
    with _lock, _aside():
        try:
            moved, again = (_moved(kind, options, rates) for _ in range(2))
            other = _moved(kind, options, rates, rates[0] / 2)
        except Exception:
            return False
    return torch.equal(moved, again) and not torch.equal(moved, other)  # nothing is drawn


def _alike(kind: Any, options: Options, rates: Sequence[float]) -> bool:
    """Whether the last step moves the parameter, and by the same at a lower rate."""
    if len(rates) < 2:
        return False
    moved = _moved(kind, options, rates)
    return bool(moved.any()) and torch.equal(
        moved, _moved(kind, options, [*rates[:-1], 0.9 * rates[-1]])
    )


def _moved(
    kind: Any, options: Options, rates: Sequence[float], constructed: float | None = None
) -> Tensor:
    """What the last of these steps adds to a matrix."""
    # Double: the steps of an optimizer that finds its own scale begin at a millionth.
    values = torch.linspace(-1, 1, 16, dtype=torch.float64, device="cpu")
    matrix = nn.Parameter(values.view(4, 4))
    gradient = (matrix.detach() * 3).sin() + 0.1
    optimizer = kind([matrix], lr=constructed or rates[0], **copy.deepcopy(dict(options)))
    if callable(switch := getattr(optimizer, "train", None)):  # a schedule-free one
        switch()

    def closure() -> Tensor:
        matrix.grad = gradient.clone()
        return (matrix.detach() * gradient).sum()

    step: Callable[..., object] = type(optimizer).step
    if getattr(step, "hooked", False):  # past hooks on all optimizers: this one is nobody's
        step = step.__wrapped__  # type: ignore[attr-defined]
    before = matrix.detach().clone()
    for rate in rates:
        before = matrix.detach().clone()
        for group in optimizer.param_groups:
            group["lr"] = rate
        closure()
        step(optimizer, closure)
    return matrix.detach() - before


@contextlib.contextmanager
def _aside() -> Iterator[None]:
    """Nothing is drawn, printed or warned of."""
    put_back = random_states()
    # Nobody waits for a compiler. (Where nothing was compiled yet, to ask would load it.)
    loaded = "torch._dynamo.eval_frame" in sys.modules and hasattr(torch.compiler, "set_stance")
    eager = torch.compiler.set_stance("force_eager") if loaded else contextlib.nullcontext()
    with (
        eager,
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        torch.enable_grad(),
    ):
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            put_back()
