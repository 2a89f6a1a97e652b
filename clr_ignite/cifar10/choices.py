"""The names that an experiment chooses from."""

from typing import Literal

ModelName = Literal["full", "quick", "early-quick"]
OptimizerName = Literal["sgd", "adam", "rmsprop", "adagrad", "adadelta", "muon"]
Pixels = Literal["caffe", "unit"]
Pooling = Literal["ceil", "floor"]
Init = Literal["caffe", "torch"]
Order = Literal["shuffled", "fixed"]
