"""The names that people and programs give to the columns that a study knows."""

import difflib
import re
import unicodedata
from collections.abc import Collection, Iterable

#: Canonical name -> names it goes by, best first (lower case, punctuation as "_").
ALIASES: dict[str, tuple[str, ...]] = {
    "image_id": ("image_id", "imageid", "id", "image_key", "uid", "rowindex", "row_ids"),
    "path": (
        "path",
        "image_path",
        "file_path",
        "filepath",
        "image_file",
        "filename",
        "file_name",
        "file",
        "image_name",
        "image",
        "img",
        "url",
    ),
    "plate": (
        "plate",
        "plate_id",
        "plateid",
        "plate_name",
        "platename",
        "plate_number",
        "plate_barcode",
        "assay_plate_barcode",
        "barcode",
        "plate_label",
    ),
    "layout": ("layout", "layout_id", "plate_map", "platemap", "plate_map_name", "platemap_name"),
    "well": (
        "well",
        "well_id",
        "wellid",
        "well_name",
        "wellname",
        "well_position",
        "wellposition",
        "well_label",
        "assay_plate_well",
        "assay_well_position",
        "destination_well",
    ),
    "site": (
        "site",
        "site_id",
        "site_number",
        "field",
        "field_id",
        "fieldid",
        "field_index",
        "field_number",
        "fov",
        "field_of_view",
    ),
    "replicate": ("replicate", "replicate_id", "replicate_number", "rep"),
    "batch": (
        "batch",
        "batch_id",
        "week",
        "experiment",
        "experiment_id",
        "experiment_name",
        "run",
        "run_id",
    ),
    "compound": (
        "compound",
        "compound_name",
        "cpd",
        "cpd_name",
        "drug",
        "drug_name",
        "molecule",
        "molecule_name",
        "pert_iname",
        "pert_name",
        "perturbation",
        "perturbagen",
        "treatment",
        "compound_id",
        "cpd_id",
        "drug_id",
        "pert_id",
        "broad_sample",
        "broad_id",
        "jcp2022",
        "inchikey",
    ),
    "concentration": (
        "concentration",
        "conc",
        "dose",
        "compound_concentration",
        "cpd_concentration",
        "drug_concentration",
        "final_concentration",
        "final_conc",
        "pert_dose",
        "dosage",
    ),
    # Also the names of concentrations with "unit" or "units" behind (`columns`).
    "concentration_unit": ("concentration_unit", "unit", "units"),
    "moa": ("moa", "mechanism", "mechanism_of_action", "moa_name", "mode_of_action"),
    "label": (
        "label",
        "labels",
        "true_label",
        "label_true",
        "y_true",
        "ytrue",
        "true_class",
        "truth",
        "ground_truth",
        "target",
        "annotation",
        "annotated_moa",
        "true_moa",
    ),
    "role": ("role",),
    "fold": ("fold", "cv_fold"),
}
CANONICAL = tuple(ALIASES)
#: Names so general, or so unlike what a reader calls the thing, that they count only where no
#: better one is there.
WEAK_ALIASES = {
    "id",
    "uid",
    "rowindex",
    "row_ids",
    "file",
    "image",
    "img",
    "url",
    "experiment",
    "experiment_id",
    "experiment_name",
    "run",
    "run_id",
    "field",
    "treatment",
    "perturbation",
    "perturbagen",
    "target",
    "annotation",
    "truth",
    "compound_id",
    "cpd_id",
    "drug_id",
    "pert_id",
    "broad_sample",
    "broad_id",
    "jcp2022",
    "inchikey",
    "plate_label",
    "destination_well",
    "unit",
    "units",
}

#: What columns of class probabilities begin with. Longer words first: "softmax_mean_0" is class 0,
#: not class "mean_0".
PROBABILITY_WORDS = (
    "mean_softmax|softmax_mean|softmax|probabilities|probability|pred_proba|pred_prob"
    "|class_prob|y_proba|y_prob|mean_p|p_mean|proba|probs|prob|p|class"
)
CLASS_PROBABILITY = re.compile(rf"(?:{PROBABILITY_WORDS})", re.I)


def plain_name(column: object) -> str:
    """A column name in lower case, with one underscore for anything that is no letter or digit."""
    text = unicodedata.normalize("NFKC", str(column)).casefold()
    return re.sub(r"[^\w]+|_+", "_", text).strip("_")


def column_like(name: str, columns: Iterable[str]) -> str | None:
    """A column by its name, else by its name without regard to case and punctuation; else None."""
    columns = list(columns)
    if name in columns:
        return name
    return next((c for c in columns if plain_name(c) == plain_name(name)), None)


def no_such_column(name: str, columns: Collection[str]) -> str:
    """The message for a missing column: the nearest name, and the names that exist."""
    keys: dict[str, str] = {}
    for column in map(str, columns):
        keys.setdefault(plain_name(column), column)
    names = list(keys.values())
    same = next((known for known in ALIASES.values() if plain_name(name) in known), ())
    close = [key for key in same if key in keys] or difflib.get_close_matches(
        plain_name(name), list(keys), 1, 0.5
    )
    hint = f"did you mean '{keys[close[0]]}'? " if close else ""
    more = ", ..." if len(names) > 20 else ""
    return f"no such column; {hint}there are {', '.join(names[:20])}{more}"
