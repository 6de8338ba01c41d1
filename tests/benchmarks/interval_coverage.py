"""How often do 95 % intervals over compounds hold the truth, and how wide are they?

Run: python tests/benchmarks/interval_coverage.py [shares] [robust] [differences] [--repeats 2000]

shares: accuracies of 5 to 100 compounds of 12 to 48 images. The share of each compound is drawn
from a beta distribution with mean `p` and intraclass correlation `rho`. Every form is one function
of the counts of R data sets at once. The width is given relative to that of an oracle that knows
rho and the sizes: it inverts the simulated distribution of the accuracy.
robust: the form of the product and the former one where the shares follow other distributions.
differences: paired differences of two methods on the same images.
Takes about 8 minutes on one core.
"""

import argparse
from collections.abc import Callable
from functools import partial

import numpy as np
from scipy.special import betaincinv, expit, logit
from scipy.stats import chi2, norm
from scipy.stats import t as student_t

from bnn_core.measures.intervals import mean_interval, share_intervals

COMPOUNDS = (5, 10, 18, 38, 100)
SHARES = (0.75, 0.90, 0.96, 0.99)
RHOS = (0.05, 0.2, 0.5)
SIZES = (12, 48)
DRAWS = 1000

Ends = tuple[np.ndarray, np.ndarray]


# ---- data


def sizes(rng: np.random.Generator, compounds: int, repeats: int) -> np.ndarray:
    """(G, R) images of each compound."""
    return rng.integers(SIZES[0], SIZES[1] + 1, (compounds, repeats))


def beta_rates(rng: np.random.Generator, shape: tuple, p: float, rho: float) -> np.ndarray:
    """Shares of compounds with mean p and intraclass correlation rho."""
    strength = 1 / rho - 1
    return rng.beta(p * strength, (1 - p) * strength, shape)


def logit_normal_rates(rng: np.random.Generator, shape: tuple, p: float, rho: float) -> np.ndarray:
    """The same mean and correlation (by a grid search), normal on the scale of the logit."""
    z = norm.ppf((np.arange(400) + 0.5) / 400)
    best = None
    for spread in np.geomspace(0.2, 12, 60):
        middle = np.linspace(-2, 40, 400)[:, None]
        mean = expit(middle + spread * z).mean(axis=1)
        centre = np.interp(p, mean, middle[:, 0])
        rate = expit(centre + spread * z)
        gap = abs(rate.var() / (p * (1 - p)) - rho)
        if best is None or gap < best[0]:
            best = gap, centre, spread
    return expit(best[1] + best[2] * rng.normal(size=shape))


def two_point_rates(rng: np.random.Generator, shape: tuple, p: float, rho: float) -> np.ndarray:
    """A tenth of the compounds (or more, where rho asks for it) is bad, the others are good."""
    variance = rho * p * (1 - p)
    bad = max(0.1, variance / (p * p + variance))
    gap = np.sqrt(variance / (bad * (1 - bad)))
    return np.where(rng.random(shape) < bad, max(p - (1 - bad) * gap, 0), min(p + bad * gap, 1))


def hard_compounds_are_larger(rng: np.random.Generator, rate: np.ndarray) -> np.ndarray:
    """(G, R) sizes that fall with the share right."""
    rank = rate.argsort(axis=0).argsort(axis=0) / (len(rate) - 1)
    rank = np.clip(rank + rng.normal(0, 0.35, rate.shape), 0, 1)
    return np.round(SIZES[1] - (SIZES[1] - SIZES[0]) * rank).astype(int)


# ---- forms: (right, n), both (G, R) -> low, high, both (R,)


def _linear(right: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Total, share, squared standard error of the share, number of compounds."""
    count, total = len(n), n.sum(axis=0)
    share = right.sum(axis=0) / total
    squares = ((right - share * n) ** 2).sum(axis=0)
    return total, share, count / (count - 1) * squares / total**2, count


def _unless_sure(ends: Ends, share: np.ndarray, count: int, z: float) -> Ends:
    """Wilson's interval of `count` units where all or none are right."""
    sure = (share == 0) | (share == 1)
    fallback = _wilson(share, np.full(len(share), float(count)), z)
    return np.where(sure, fallback[0], ends[0]), np.where(sure, fallback[1], ends[1])


def _wilson(share: np.ndarray, n: np.ndarray, z: float) -> Ends:
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    return middle - half, middle + half


def _effective(right: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Share, effective number of images (compounds where all are alike), number of compounds."""
    total, share, error, count = _linear(right, n)
    flat = error < 1e-15
    effective = np.where(flat, count, share * (1 - share) / np.where(flat, 1, error))
    return share, np.minimum(effective, total), count


def _resamples(count: int) -> np.ndarray:
    weights = np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), DRAWS)
    return weights.astype(float)


def percentile_bootstrap(right: np.ndarray, n: np.ndarray) -> Ends:
    """The former form: 2.5 and 97.5 % of resampled compounds, Wilson where all are right."""
    _, share, _, count = _linear(right, n)
    weights = _resamples(count)
    low, high = np.quantile((weights @ right) / (weights @ n), [0.025, 0.975], axis=0)
    return _unless_sure((low, high), share, count, 1.96)


def t_interval(right: np.ndarray, n: np.ndarray) -> Ends:
    """Share ± t standard errors."""
    _, share, error, count = _linear(right, n)
    half = student_t.ppf(0.975, count - 1) * np.sqrt(error)
    return np.clip(share - half, 0, 1), np.clip(share + half, 0, 1)


def logit_t(right: np.ndarray, n: np.ndarray) -> Ends:
    """The same on the scale of the logit."""
    _, share, error, count = _linear(right, n)
    inner = np.clip(share, 1e-9, 1 - 1e-9)
    quantile = student_t.ppf(0.975, count - 1)
    half = quantile * np.sqrt(error) / (inner * (1 - inner))
    ends = expit(logit(inner) - half), expit(logit(inner) + half)
    return _unless_sure(ends, share, count, quantile)


def bootstrap_t(right: np.ndarray, n: np.ndarray) -> Ends:
    """Studentised bootstrap on the scale of the logit; resamples without spread are left out."""
    _, share, error, count = _linear(right, n)
    weights = _resamples(count)
    drawn_n = weights @ n
    drawn = (weights @ right) / drawn_n
    squares = weights @ right**2 - 2 * drawn * (weights @ (right * n)) + drawn**2 * (weights @ n**2)
    drawn_error = np.sqrt(np.maximum(squares, 0) * count / (count - 1)) / drawn_n
    inner, drawn_inner = np.clip(share, 1e-9, 1 - 1e-9), np.clip(drawn, 1e-9, 1 - 1e-9)
    drawn_error /= drawn_inner * (1 - drawn_inner)
    with np.errstate(invalid="ignore", divide="ignore"):
        t = (logit(drawn_inner) - logit(inner)) / drawn_error
    t[~np.isfinite(t) | (drawn_error < 1e-9)] = np.nan
    t[:, np.isnan(t).all(axis=0)] = 0
    low, high = np.nanquantile(t, [0.025, 0.975], axis=0)
    scale = np.sqrt(error) / (inner * (1 - inner))
    ends = expit(logit(inner) - high * scale), expit(logit(inner) - low * scale)
    return _unless_sure(ends, share, count, student_t.ppf(0.975, count - 1))


def wilson_design_effect(right: np.ndarray, n: np.ndarray) -> Ends:
    """Wilson's interval of the effective number of images with the quantile of t."""
    share, effective, count = _effective(right, n)
    return _wilson(share, effective, student_t.ppf(0.975, count - 1))


def clopper_pearson(right: np.ndarray, n: np.ndarray) -> Ends:
    """Korn & Graubard (1998): Clopper-Pearson of the effective number with adjusted freedom."""
    share, effective, count = _effective(right, n)
    effective = effective * (norm.ppf(0.975) / student_t.ppf(0.975, count - 1)) ** 2
    k, rest = share * effective, (1 - share) * effective
    low = np.where(k < 1e-9, 0, betaincinv(np.maximum(k, 1e-9), rest + 1, 0.025))
    return low, np.where(rest < 1e-9, 1, betaincinv(k + 1, np.maximum(rest, 1e-9), 0.975))


def moderated(right: np.ndarray, n: np.ndarray) -> Ends:
    """Wilson with a design effect shrunk towards that of rho 0.3 with the weight of 3 compounds."""
    total, share, error, count = _linear(right, n)
    spread = share * (1 - share)
    usual = 0.3 * (n**2).sum(axis=0) / total**2 + 0.7 / total
    known = spread > 1e-12
    relative = np.where(known, error / np.where(known, spread, 1), usual)
    freedom = np.where(known, count - 1, 0)
    relative = (freedom * relative + 3 * usual) / (freedom + 3)
    return _wilson(share, 1 / relative, student_t.ppf(0.975, freedom + 3))


MU = np.linspace(-6, 9, 181)  # grid of logit(mean)
RHO = (np.arange(30) + 0.5) / 30 * 0.98


def _log_likelihood(right: np.ndarray, n: np.ndarray) -> np.ndarray:
    """(R, M, K) beta-binomial log-likelihood, without constants, on the grid of MU and RHO.

    log Gamma(a + right) / Gamma(a) is the sum of log(a + j) over j < right, so that it is enough to
    know how many compounds have more than j images right.
    """
    j = np.arange(SIZES[1])
    strength = 1 / RHO - 1
    a, b = expit(MU)[:, None] * strength, expit(-MU)[:, None] * strength

    def rising(base: np.ndarray, counts: np.ndarray) -> np.ndarray:
        above = (counts.T[:, :, None] > j).sum(axis=1).astype(float)
        return above @ np.log(base.reshape(1, -1) + j[:, None])

    both = rising(a, right) + rising(b, n - right)
    return both.reshape(-1, len(MU), len(RHO)) - rising(strength, n)[:, None, :]


def _profile(prior: float) -> Callable[[np.ndarray, np.ndarray], Ends]:
    def limits(right: np.ndarray, n: np.ndarray) -> Ends:
        """Means within chi-squared / 2 of the largest likelihood, over the best rho of each."""
        height = _log_likelihood(right, n) + (prior - 1) * np.log(RHO * (1 - RHO))
        height = height.max(axis=2)
        height -= height.max(axis=1, keepdims=True) - chi2.ppf(0.95, 1) / 2
        inside = height >= 0
        first, last = inside.argmax(axis=1), len(MU) - 1 - inside[:, ::-1].argmax(axis=1)
        rows = np.arange(len(height))

        def crossing(outer: np.ndarray, inner: np.ndarray) -> np.ndarray:
            outer = np.clip(outer, 0, len(MU) - 1)
            low, high = height[rows, outer], height[rows, inner]
            part = np.where(outer == inner, 0, low / np.where(outer == inner, 1, low - high))
            return expit(MU[outer] + part * (MU[inner] - MU[outer]))

        low = np.where(first == 0, 0, crossing(first - 1, first))
        return low, np.where(last == len(MU) - 1, 1, crossing(last + 1, last))

    return limits


def credible(right: np.ndarray, n: np.ndarray) -> Ends:
    """Beta-binomial posterior of the mean: uniform prior on rho, Jeffreys' on the mean."""
    height = _log_likelihood(right, n)
    height -= height.max(axis=(1, 2), keepdims=True)
    density = np.exp(height).sum(axis=2) * np.sqrt(expit(MU) * expit(-MU))
    below = (np.cumsum(density, axis=1) - density / 2) / density.sum(axis=1, keepdims=True)
    ends = [np.array([np.interp(q, row, expit(MU)) for row in below]) for q in (0.025, 0.975)]
    share = right.sum(axis=0) / n.sum(axis=0)
    return np.where(share == 0, 0, ends[0]), np.where(share == 1, 1, ends[1])


def product(right: np.ndarray, n: np.ndarray) -> Ends:
    """The form of the product: Jeffreys of a moderated effective number, t quantile."""
    return share_intervals(right, n)[:2]


FORMS: dict[str, Callable[[np.ndarray, np.ndarray], Ends]] = {
    "percentile bootstrap (former)": percentile_bootstrap,
    "t": t_interval,
    "t of the logit": logit_t,
    "bootstrap-t of the logit": bootstrap_t,
    "Wilson, design effect, t": wilson_design_effect,
    "Clopper-Pearson, effective n": clopper_pearson,
    "Wilson, moderated design effect": moderated,
    "beta-binomial, credible": credible,
    "beta-binomial, profile, flat prior": _profile(1.0),
    "beta-binomial, profile, prior 1.5": _profile(1.5),
    "product": product,
}


class Oracle:
    """Equal-tailed interval that knows rho and the sizes, from simulated accuracies."""

    def __init__(self, compounds: int, rho: float, repeats: int = 1500):
        self.p = expit(np.linspace(-5, 8, 105))
        tails = []
        for p in self.p:
            rng = np.random.default_rng(7)
            n = sizes(rng, compounds, repeats)
            right = rng.binomial(n, beta_rates(rng, n.shape, p, rho))
            tails.append(np.quantile(right.sum(axis=0) / n.sum(axis=0), [0.025, 0.975]))
        self.lower, self.upper = np.maximum.accumulate(np.array(tails)).T

    def __call__(self, share: np.ndarray) -> Ends:
        """(low, high) of each observed accuracy."""
        ends = []
        for tail, side in ((self.upper, "left"), (self.lower, "right")):
            after = np.searchsorted(tail, share, side=side)
            inner = np.clip(after, 1, len(self.p) - 1)
            rise = tail[inner] - tail[inner - 1]
            part = np.where(rise > 0, (share - tail[inner - 1]) / np.where(rise > 0, rise, 1), 1.0)
            between = self.p[inner - 1] + np.clip(part, 0, 1) * (self.p[inner] - self.p[inner - 1])
            ends.append(np.where(after == 0, 0, np.where(after == len(self.p), 1, between)))
        return ends[0], ends[1]


# ---- tables


def shares(repeats: int, chosen: list[str] | None = None) -> None:
    """Coverage and relative width of every form in every cell, then a line per form."""
    forms = {name: FORMS[name] for name in chosen or FORMS}
    print("| compounds | share | rho | oracle | " + " | ".join(forms) + " | too few |")
    print("| --- " * (len(forms) + 5) + "|")
    cells: dict[str, list[tuple[float, float]]] = {name: [] for name in forms}
    for count in COMPOUNDS:
        for rho in RHOS:
            oracle = Oracle(count, rho)
            for p in SHARES:
                rng = np.random.default_rng(1000 + count)
                n = sizes(rng, count, repeats)
                right = rng.binomial(n, beta_rates(rng, n.shape, p, rho))
                low, high = oracle(right.sum(axis=0) / n.sum(axis=0))
                width = (high - low).mean()
                texts = []
                for name, form in forms.items():
                    low, high = form(right, n)
                    held = ((low <= p) & (p <= high)).mean()
                    cells[name].append((held, (high - low).mean() / width))
                    texts.append(f"{100 * held:.1f}, {cells[name][-1][1]:.2f}")
                few = share_intervals(right, n)[2].mean()
                print(
                    f"| {count} | {p} | {rho} | {width:.3f} | {' | '.join(texts)} "
                    f"| {100 * few:.0f} % |",
                    flush=True,
                )
    print("\n| form | lowest coverage | cells below 93 % | cells wider than 1.3 | both right |")
    print("| --- | --- | --- | --- | --- |")
    for name, values in cells.items():
        held, width = np.array(values).T
        print(
            f"| {name} | {100 * held.min():.1f} % | {(held < 0.93).sum()} | {(width > 1.3).sum()} "
            f"| {((held >= 0.93) & (width <= 1.3)).sum()} of {len(values)} |"
        )


def robust(repeats: int) -> None:
    """Coverage where compounds differ in other ways than a beta distribution."""
    kinds = {
        "logit-normal": logit_normal_rates,
        "two kinds of compounds": two_point_rates,
        "hard compounds are larger": beta_rates,
    }
    chosen = ("percentile bootstrap (former)", "beta-binomial, profile, prior 1.5", "product")
    print("| distribution | compounds | " + " | ".join(chosen) + " |")
    print("| --- " * (len(chosen) + 2) + "|")
    for kind, draw in kinds.items():
        for count in COMPOUNDS:
            held: dict[str, list[float]] = {name: [] for name in chosen}
            for rho in RHOS:
                for p in SHARES:
                    rng = np.random.default_rng(3000 + count)
                    rate = draw(rng, (count, repeats), p, rho)
                    n, truth = sizes(rng, count, repeats), p
                    if kind == "hard compounds are larger":
                        n = hard_compounds_are_larger(rng, rate)
                        truth = (n * rate).sum() / n.sum()
                    right = rng.binomial(n, rate)
                    for name in chosen:
                        low, high = FORMS[name](right, n)
                        held[name].append(((low <= truth) & (truth <= high)).mean())
            texts = [f"{100 * np.mean(v):.0f} ({100 * min(v):.0f})" for v in held.values()]
            print(f"| {kind} | {count} | {' | '.join(texts)} |", flush=True)


def differences(repeats: int) -> None:
    """Coverage of paired differences: two methods, the second better on some compounds."""
    print("| compounds | rho | percentile bootstrap (former) | t (product) |")
    print("| --- | --- | --- | --- |")
    for count in COMPOUNDS:
        for rho in RHOS:
            rng = np.random.default_rng(count)
            held = np.zeros(2)
            for _ in range(repeats // 4):
                n = sizes(rng, count, 1)[:, 0]
                groups = np.repeat(np.arange(count), n)
                first = beta_rates(rng, (count,), 0.85, rho)
                second = 0.7 * first + 0.3 * beta_rates(rng, (count,), 0.9, rho)
                luck = rng.random(len(groups))  # one image is hard for both methods
                a, b = luck < first[groups], luck < second[groups]
                truth = 0.3 * (0.85 - 0.9)
                gap = a.astype(float) - b
                sums = np.bincount(groups, gap, count)
                weights = _resamples(count)
                low, high = np.quantile((weights @ sums) / (weights @ n), [0.025, 0.975])
                t = mean_interval(gap, groups)
                held += [low <= truth <= high, t.low <= truth <= t.high]
            former, new = 100 * held / (repeats // 4)
            print(f"| {count} | {rho} | {former:.1f} | {new:.1f} |", flush=True)


def main() -> None:
    """Print the tables that are asked for."""
    tables = {"shares": shares, "robust": robust, "differences": differences}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tables", nargs="*", choices=[*tables, []], help="all by default")
    parser.add_argument("--repeats", type=int, default=2000, help="data sets per cell")
    parser.add_argument("--form", nargs="*", choices=FORMS, help="forms of shares, all by default")
    args = parser.parse_args()
    tables["shares"] = partial(shares, chosen=args.form)
    for name in args.tables or tables:
        print(f"\n## {name}\n")
        tables[name](args.repeats)


if __name__ == "__main__":
    main()
