"""The standard network: one set of weights, so T is 1."""

from bnn_core.networks.method_parts import train_one, trained_mean
from bnn_core.networks.procedures import Procedure

PROCEDURE = Procedure(
    train_one, lambda folder, num_samples, seed, device: trained_mean(folder, device), trained_mean
)
