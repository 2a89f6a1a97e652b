"""What the report draws together: at most six rows, those that they are held against among them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from clr_ignite.cifar10.report.groups import Group, distinct

MOST = 6  # curves that a picture holds and a reader tells apart
LONGEST = 60  # characters of a name
_NETS = {
    "full": "Caffe's full net",
    "quick": "Caffe's quick net",
    "early-quick": "The first PyTorch port's first net",
}


@dataclass(frozen=True)
class Plate:
    """Rows of the table that are drawn together.

    Args:
        title: what they are, in words.
        own: rows that stand in no other plate; it is drawn where one of them was run.
        beside: rows of other plates that they are held against; they are drawn first.
    """

    title: str
    own: Sequence[str]
    beside: Sequence[str] = ()


@dataclass(frozen=True)
class Drawn:
    """What a plate holds of some runs.

    Args:
        name: of its files.
        rows: by their name in the picture.
    """

    name: str
    title: str
    rows: Mapping[str, Group]


_FIXED = ("full-fixed",)
_PORT = "quick-ancestor-"
_POLICIES = ("exp", "triangular-35k", "triangular2", "decay", "exp-range")
PLATES: Mapping[str, Plate] = {
    "full-table-1": Plate(
        "Caffe's full net: the rows of the paper's Table 1",
        ("full-fixed", "full-triangular2", "full-decay", "full-exp-range", "full-exp"),
    ),
    "full-controls": Plate(
        "Caffe's full net: what drops of the rate and a falling lower bound are worth",
        ("full-decay-drops", "full-exp-range-amplitude"),
        ("full-triangular2", "full-decay", "full-exp-range"),
    ),
    "full-order": Plate(
        "Caffe's full net: images shuffled anew in each epoch, and always in one order",
        ("full-fixed-order", "full-triangular2-order"),
        ("full-fixed", "full-triangular2"),
    ),
    "full-shorter": Plate(
        "Caffe's full net, SGD: shorter runs",
        ("full-1cycle", "full-trapezoid", "full-trapezoid-28k"),
        ("full-fixed", "full-triangular2"),
    ),
    "full-muon": Plate(
        "Caffe's full net: Muon, each length a run of its own",
        tuple(f"full-muon-{length}" for length in (1_500, 2_000, 2_500, 5_000, 7_000)),
        _FIXED,
    ),
    "full-nesterov": Plate(
        "Caffe's full net: Nesterov's momentum (the paper's section 4.1)",
        tuple(f"full-nesterov-{way}" for way in ("fixed", "triangular", "table2")),
        _FIXED,
    ),
    "full-adam": Plate(
        "Caffe's full net: Adam (the paper's section 4.1)",
        tuple(f"full-adam-{way}" for way in ("fixed", "triangular", "triangular-70k", "table2")),
        _FIXED,
    ),
    "full-rmsprop": Plate(
        "Caffe's full net: RMSprop (the paper's section 4.1)",
        tuple(f"full-rmsprop-{way}" for way in ("fixed", "triangular", "triangular-70k")),
        _FIXED,
    ),
    "full-adagrad-adadelta": Plate(
        "Caffe's full net: AdaGrad and AdaDelta (the paper's section 4.1)",
        tuple(
            f"full-{s}-{way}" for s in ("adagrad", "adadelta") for way in ("fixed", "triangular")
        ),
        _FIXED,
    ),
    "quick-caffe": Plate("Caffe's quick net, its own recipe", ("quick-caffe", "quick-caffe-order")),
    "quick-ancestor": Plate(
        "The first PyTorch port's quick net: what it compared",
        (f"{_PORT}fixed", f"{_PORT}triangular"),
    ),
    "quick-ancestor-policies": Plate(
        "The first PyTorch port's quick net: its policies",
        tuple(f"{_PORT}{policy}" for policy in _POLICIES),
        (f"{_PORT}fixed",),
    ),
    "quick-ancestor-mults": Plate(
        "The first PyTorch port's quick net: its policies with Caffe's multipliers",
        tuple(f"{_PORT}{policy}-mults" for policy in ("fixed", *_POLICIES)),
    ),
    "quick-ancestor-early": Plate(
        "The first PyTorch port's first net, from the initial weights of its text",
        tuple(
            f"{_PORT}early-{policy}"
            for policy in ("fixed", "triangular2", "decay", "exp", "exp-range")
        ),
    ),
    "quick-ancestor-early-torch": Plate(
        "The first PyTorch port's first net, from torch's initial weights too",
        (f"{_PORT}early-triangular2-torch", f"{_PORT}early-decay-torch"),
        (f"{_PORT}early-triangular2", f"{_PORT}early-decay"),
    ),
}


def plates_of(groups: Sequence[Group]) -> list[Drawn]:
    """The plates of the table of which a row is there, then those of all other runs by net."""
    rows = {group.entry_name: group for group in groups if group.entry is not None}
    found = [
        Drawn(
            name, plate.title, _named([rows[n] for n in (*plate.beside, *plate.own) if n in rows])
        )
        for name, plate in PLATES.items()
        if rows.keys() & set(plate.own)
    ]
    others: dict[str, list[Group]] = {}
    for group in groups:
        if group.entry is None:
            others.setdefault(group.runs[0].experiment.model, []).append(group)
    return found + [one for net, several in others.items() for one in _of_a_net(net, several)]


def _of_a_net(net: str, groups: Sequence[Group]) -> list[Drawn]:
    """Runs outside the table, as many to a picture as it holds."""
    parts = [groups[at : at + MOST] for at in range(0, len(groups), MOST)]
    data = dict.fromkeys(str(g.runs[0].config.data.get("name", "")) for g in groups)
    title = f"{_NETS[net]} on {next(iter(data))}" if len(data) == 1 and any(data) else _NETS[net]
    return [
        Drawn(
            net if number == 1 else f"{net}-{number}",
            title if len(parts) == 1 else f"{title} ({number} of {len(parts)})",
            _named(part),
        )
        for number, part in enumerate(parts, start=1)
    ]


def _named(groups: Sequence[Group]) -> dict[str, Group]:
    """In words, or as a schedule without its arguments' names, where that is all there is."""
    names = [group.entry.title if group.entry else _short(group.name) for group in groups]
    return dict(zip(distinct(names), groups, strict=True))


def _short(name: str) -> str:
    name = re.sub(r"\w+=", "", name)
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 3]}..."
