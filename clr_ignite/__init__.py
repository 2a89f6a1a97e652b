"""Cyclical learning rates and the learning-rate range test as PyTorch-Ignite handlers."""

__version__ = "0.1.0"
