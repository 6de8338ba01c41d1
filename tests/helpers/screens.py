"""Small prediction tables with planted causes, for the tests of suspects and evidence."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from bnn_core.measures.uncertainty import Moments, summarise

CLASSES = ["A", "B", "C", "D"]


def with_summary(
    images: pd.DataFrame, p: np.ndarray, classes: Sequence[str] = CLASSES
) -> pd.DataFrame:
    """`Study.table` of images and mean softmax (N, C); roles default to scored."""
    images = images.reset_index(drop=True)
    if "role" not in images:
        images["role"] = "scored"
    summary = summarise(
        Moments(np.asarray(p, float)), list(classes), images["label"].to_numpy(dtype=object)
    )
    return pd.concat([images, summary], axis=1)


def calling(
    classes: Sequence[str], sure: float = 0.9, all_classes: Sequence[str] = CLASSES
) -> np.ndarray:
    """(N, C): `sure` on the named class of each row, the rest spread evenly."""
    p = np.full((len(classes), len(all_classes)), (1 - sure) / (len(all_classes) - 1))
    p[np.arange(len(classes)), [list(all_classes).index(c) for c in classes]] = sure
    return p


def screen(wells_per_dose: int = 3, images_per_well: int = 2) -> pd.DataFrame:
    """Eight compounds (A1, A2, ... D2, class by letter) at doses 1 and 10 µM, plate = replicate.

    Compound X1 is of batch "W1", X2 of "W2"; plates are W1P1, W1P2, ... Columns: compound, label,
    concentration, batch, plate, well, replicate, site, image_id, fold.
    """
    rows = []
    for c, label in enumerate(CLASSES):
        for copy in (1, 2):
            for d, dose in enumerate((1.0, 10.0)):
                for plate in range(1, wells_per_dose + 1):
                    for site in range(1, images_per_well + 1):
                        rows.append(
                            {
                                "compound": f"{label}{copy}",
                                "label": label,
                                "concentration": dose,
                                "batch": f"W{copy}",
                                "plate": f"W{copy}P{plate}",
                                "well": f"{'BCDE'[c]}{2 + d:02d}",
                                "replicate": str(plate),
                                "site": str(site),
                                "fold": 2 * c + copy - 1,
                            }
                        )
    table = pd.DataFrame(rows)
    table["image_id"] = table["plate"] + "/" + table["well"] + "/" + table["site"]
    return table


def published_table(authors, shared_data) -> pd.DataFrame:
    """The authors' BBBC021 table as a study has it, weeks joined by compound as its batches.

    authors, shared_data: the fixtures. Taxol is in every week and has no batch.
    """
    meta = pd.read_csv(shared_data / "bbbc021" / "BBBC021_v1_image.csv.gz")
    weeks = meta["Image_Metadata_Plate_DAPI"].str.split("_").str[0]
    weeks = weeks.groupby(meta["Image_Metadata_Compound"]).agg(lambda w: sorted(set(w)))
    images = authors.frame.rename(columns={"MOA": "label", "image_name": "image_id"})[
        ["image_id", "label", "compound", "concentration"]
    ]
    images["batch"] = images["compound"].map(weeks).map(lambda w: w[0] if len(w) == 1 else None)
    return with_summary(images, authors.p, authors.classes)
