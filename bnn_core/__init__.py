"""Bayesian neural networks for cellular images: train, sample, summarise, and doubt the labels."""

__version__ = "0.1.0"
