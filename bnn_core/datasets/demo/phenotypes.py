"""The twelve invented mechanisms of the demo: a name and the look of a cell that fully responds.

The names say what a compound of the mechanism does to the drawn cells. None is a mechanism known to
pharmacology, and each carries "(sim)" so that an exported table cannot pass for a real one.
"""

from bnn_core.datasets.demo.cells import Look

UNTREATED = Look()

FAINT_MECHANISM = "Softeners (sim)"
"""The mechanism whose full effect is still close to untreated cells."""

MECHANISMS: dict[str, Look] = {
    # Long thick actin fibres.
    "Anchorers (sim)": UNTREATED.but(
        fibres=1.5, actin=1.05, radius=1.12, count=14, elongation=1.6, contacts=0.3, threads=0.5
    ),
    # A few thick tubulin bundles.
    "Bundlers (sim)": UNTREATED.but(
        bundling=1.0, threads=0.9, tubulin=1.2, perinuclear=0.5, count=14, pieces=0.25
    ),
    # Actin falls into bright dots.
    "Clumpers (sim)": UNTREATED.but(
        dots=1.0, rim=0.2, fibres=0.0, contacts=0.2, waviness=0.18, actin=0.9, radius=0.92
    ),
    # Tubulin threads fall apart into haze.
    "Dissolvers (sim)": UNTREATED.but(
        threads=0.12, tubulin=0.85, perinuclear=0.1, radius=0.95, rounded=0.08, pieces=0.3, count=15
    ),
    # Bubbles in the cytoplasm.
    "Foamers (sim)": UNTREATED.but(
        holes=1.5, tubulin=1.1, threads=0.4, perinuclear=0.1, radius=1.1, count=14
    ),
    # Cells crowd into islands with strong actin where they touch.
    "Huddlers (sim)": UNTREATED.but(
        crowding=0.9, contacts=1.6, rim=0.75, radius=0.82, count=20, elongation=1.1, tubulin=0.8
    ),
    # Cells round up, small and bright.
    "Rounders (sim)": UNTREATED.but(
        rounded=0.8, count=18, crowding=0.2, radius=1.0, threads=0.4
    ),
    # Few, small cells with small bright nuclei.
    "Shrinkers (sim)": UNTREATED.but(
        radius=0.7, nucleus=0.36, nucleus_brightness=1.4, count=15, tubulin=0.65, actin=0.55,
        waviness=0.2, rounded=0.1, crowding=0.2,
    ),
    # A little larger, flatter and dimmer: the effect is weak even at the full dose.
    FAINT_MECHANISM: UNTREATED.but(actin=0.74, rim=0.48, fibres=0.2, nucleus=0.53, radius=1.04),
    # Pointed arms and actin needles.
    "Spikers (sim)": UNTREATED.but(
        spikes=0.75, filopodia=0.9, waviness=0.14, count=13, crowding=0.1, contacts=0.4, reach=1.05
    ),
    # Nuclei broken in pieces, in large cells.
    "Splitters (sim)": UNTREATED.but(
        pieces=2.2, nucleus=0.68, radius=1.2, count=11, elongation=1.1, nucleus_brightness=1.05,
        tubulin=0.8,
    ),
    # Long thin cells.
    "Stretchers (sim)": UNTREATED.but(
        elongation=3.6, radius=0.95, waviness=0.05, crowding=0.1, bundling=0.3, count=13, rim=0.4
    ),
}  # fmt: skip

DEMO_CLASSES = list(MECHANISMS)

UNSEEN_MECHANISM = "Haloers (sim)"
"""A mechanism that is no class: no network is trained on it."""

#: Tubulin in a bright ring around a small nucleus, and a strong actin rim.
UNSEEN_LOOK = UNTREATED.but(
    perinuclear=1.2, reach=0.5, threads=0.35, rim=0.9, contacts=0.15, nucleus=0.42, filopodia=0.25,
    count=14,
)  # fmt: skip
