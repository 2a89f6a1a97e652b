"""Gradients of every form on the other shapes: quick, and pooling that rounds down."""

from __future__ import annotations

from benchmarks.device.correct import gradients
from benchmarks.device.place import Place
from benchmarks.device.record import Record
from clr_ignite.cifar10.models import CaffeFull, CaffeQuick


def run(record: Record, place: Place) -> None:
    nets = (CaffeQuick, "ceil"), (CaffeFull, "floor"), (CaffeQuick, "floor")
    gradients(record, place, nets)
