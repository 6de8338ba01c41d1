"""Bayesian and standard networks: layers, priors, training, methods, prediction, distance."""
