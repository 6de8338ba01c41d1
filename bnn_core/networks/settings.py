"""Every setting of one network's training, with its limits; the command's flags come from here."""

import math
from dataclasses import dataclass, field, fields

from bnn_core.base.errors import InputError
from bnn_core.networks.augmentation import AUGMENTATIONS, RENAMED
from bnn_core.networks.bodies import NETWORKS
from bnn_core.networks.layers import ESTIMATORS
from bnn_core.networks.priors import CENTRES, SCALES, GaussianPrior, MixturePrior, Prior

OPTIMIZERS = ("adam", "adamw", "sghmc")
SCHEDULES = ("one-cycle", "step", "constant", "cyclical")
PRIORS = ("mixture", "gaussian")
INTENSITIES = ("linear", "sqrt", "as-is")
NETWORK_STARTS = ("random", "standard")
TTA = ("none", "dihedral")
CALIBRATIONS = ("none", "folds")
PRECISIONS = ("float32", "bfloat16", "auto")


def _setting(default, help, choices=None, minimum=None, above=None, only=None):
    return field(
        default=default,
        metadata={
            "help": help,
            "choices": choices,
            "minimum": minimum,
            "above": above,
            "only": only,
        },
    )


@dataclass(frozen=True)
class TrainConfig:
    """Every setting of one network's training; saved with the network.

    The command's flags come from these fields, their help and limits from the metadata; `only`
    names the one method that has the setting.
    """

    network: str = _setting("lenet5", "body of the network", choices=tuple(NETWORKS))
    bayesian: bool = _setting(True, "distributions over the weights instead of fixed weights")
    pathways: int = _setting(
        0, "mscnn: scales from the finest, 1 to 6 (0: as many as fit)", minimum=0
    )
    head_width: int = _setting(1024, "mscnn: maps of the 1x1 convolution", minimum=1)
    hidden: int = _setting(128, "mlp: units of the hidden layer", minimum=1)
    whiten: float = _setting(
        0.0,
        "mlp: divide features by their spread within classes in every direction, with this share of "
        "the mean variance added (0: each feature by itself)",
        minimum=0,
    )
    intensity: str = _setting("linear", "how pixel values enter the network", choices=INTENSITIES)
    epochs: int = _setting(30, "passes over the training images", minimum=1)
    batch_size: int = _setting(128, "images per training step", minimum=1)
    learning_rate: float = _setting(3e-3, "Adam's learning rate (its maximum)", above=0)
    optimizer: str = _setting(
        "adam",
        "adam adds weight decay to the gradient, adamw decouples it, sghmc draws from the "
        "posterior",
        choices=OPTIMIZERS,
    )
    schedule: str = _setting("one-cycle", "how the learning rate changes", choices=SCHEDULES)
    step_epoch: int = _setting(0, "epoch after which 'step' divides the rate by 10", minimum=0)
    swa: float = _setting(
        0.0,
        "share of the training steps, at the end, whose weights are averaged (0: none); one-cycle "
        "then ends at 0.3 times the rate and stays there",
        minimum=0,
    )
    weight_decay: float = _setting(0.0, "L2 penalty on weights (never on rho)", minimum=0)
    prior: str = _setting("mixture", "prior over the weights", choices=PRIORS)
    prior_pi: float = _setting(0.5, "mixture prior: share of the wide component", above=0)
    prior_sigma1: float = _setting(1.0, "prior standard deviation (mixture: the wide one)", above=0)
    prior_sigma2: float = _setting(math.exp(-6), "mixture prior: the narrow one", above=0)
    prior_scale: str = _setting(
        "fixed",
        "unit of the prior's standard deviations: 1, or the root mean square of each "
        "layer's weights at the start",
        choices=SCALES,
    )
    prior_centre: str = _setting(
        "zero", "where the prior is centred: 0, or the initial means (MOPED)", choices=CENTRES
    )
    kl_weight: float = _setting(
        1.0,
        "factor on KL/N; 1 is the evidence lower bound if images are not augmented or weighted by "
        "class, less is a tempered posterior",
        minimum=0,
    )
    kl_warmup: float = _setting(
        0.0, "share of the training steps over which the KL's weight rises from 0", minimum=0
    )
    start: str = _setting(
        "random",
        "initial means: random, or the weights of the standard network trained on the same images",
        choices=NETWORK_STARTS,
    )
    rho_init: float = _setting(-3.0, "start of rho; sigma = softplus(rho)")
    sigma_init: float = _setting(
        0.0,
        "start of sigma, in units of the root mean square of each layer's weights (0: rho_init)",
        minimum=0,
    )
    rho_learning_rate: float = _setting(
        0.0, "Adam's learning rate of rho (0: that of the means)", minimum=0
    )
    estimator: str = _setting(
        "local", "noise of a training step: on activations or on weights", choices=ESTIMATORS
    )
    cycles: int = _setting(
        0,
        "cycles of the learning rate; the last 3 epochs of each leave a network",
        minimum=0,
        only="sgmcmc",
    )
    sampling_temperature: float = _setting(
        1.0,
        "temperature of the posterior that is sampled; below 1 a colder one",
        minimum=0,
        only="sgmcmc",
    )
    dropout: float = _setting(
        0.0, "share of units and maps that are dropped", minimum=0, only="dropout"
    )
    members: int = _setting(1, "networks of an ensemble", minimum=1, only="ensemble")
    augmentation: str = _setting(
        "none", "random changes of training images", choices=tuple(AUGMENTATIONS)
    )
    tta: str = _setting(
        "none",
        "test-time augmentation: predictions are averaged over the 8 flips and quarter turns",
        choices=TTA,
    )
    calibrate: str = _setting(
        "none",
        "one temperature per fold, fitted by Brier score to the held-out images of the other folds",
        choices=CALIBRATIONS,
    )
    crop: int = _setting(
        0,
        "train on random squares of this many pixels, predict on whole images (0: whole)",
        minimum=0,
    )
    precision: str = _setting(
        "float32",
        "number format in training; auto: bfloat16, which is faster, where the processor has it",
        choices=PRECISIONS,
    )
    validation: float = _setting(
        1 / 12, "share of the training images held back to watch the training", minimum=0
    )
    seed: int = _setting(0, "seed of initial weights, batches and noise", minimum=0)

    def __post_init__(self):
        object.__setattr__(self, "augmentation", RENAMED.get(self.augmentation, self.augmentation))
        for f in fields(self):
            value, rule = getattr(self, f.name), f.metadata
            flag = "--" + f.name.replace("_", "-")
            if rule["choices"] and value not in rule["choices"]:
                raise InputError(
                    f"{flag} {value} is unknown; choose one of {', '.join(rule['choices'])}"
                )
            if isinstance(value, float) and not math.isfinite(value):
                raise InputError(f"{flag} {value} is not a finite number")
            if rule["minimum"] is not None and value < rule["minimum"]:
                raise InputError(f"{flag} {value} is too small; give at least {rule['minimum']}")
            if rule["above"] is not None and value <= rule["above"]:
                raise InputError(f"{flag} {value} is too small; give more than {rule['above']}")
        if self.network == "lenet5" and self.crop:
            raise InputError("--crop needs a network that takes any size: --network mscnn")
        if self.start == "standard" and not self.bayesian:
            raise InputError(
                "--start standard is for Bayesian networks; give it as --start vi=standard"
            )
        if self.dropout >= 1:
            raise InputError(
                f"--dropout {self.dropout} leaves no units; give a share from 0 to below 1"
            )
        if self.dropout and self.bayesian:
            raise InputError("--dropout is for networks without distributions over their weights")
        if self.network == "mscnn" and self.batch_size == 1:
            raise InputError("--batch-size 1 leaves BatchNorm nothing to compare; give at least 2")
        if self.schedule == "step" and self.step_epoch < 1:
            raise InputError("--schedule step needs --step-epoch, at least 1")
        if self.schedule == "cyclical" and not self.cycles:
            raise InputError("--schedule cyclical needs --cycles, at least 1")
        if self.cycles > self.epochs:
            raise InputError(
                f"--cycles {self.cycles} is more than --epochs {self.epochs}; give at most one "
                "cycle per epoch"
            )
        for name, most in (("swa", self.swa), ("kl_warmup", self.kl_warmup)):
            if most > 1:
                flag = "--" + name.replace("_", "-")
                raise InputError(f"{flag} {most:g} is a share; give a number between 0 and 1")
        if self.pathways > 6:
            raise InputError(f"--pathways {self.pathways} is too many; give at most 6")
        if self.validation >= 0.9:
            raise InputError(
                f"--validation {self.validation} leaves too little to train on; give less than 0.9"
            )
        if self.prior_pi >= 1:
            raise InputError(
                f"--prior-pi {self.prior_pi} is a share; give a number between 0 and 1"
            )

    def make_prior(self) -> Prior:
        """The prior these settings name."""
        if self.prior == "gaussian":
            return GaussianPrior(self.prior_sigma1)
        return MixturePrior(self.prior_pi, self.prior_sigma1, self.prior_sigma2)


def settings_of(config: TrainConfig) -> dict[str, object]:
    """The settings as they are recorded: without those of other methods."""
    return {
        f.name: getattr(config, f.name)
        for f in fields(config)
        if not f.metadata["only"] or getattr(config, f.name) != f.default
    }
