"""Tables of predictions as programs write them, and the sentence for those that hold none."""

import json
import re

import numpy as np
import pandas as pd
import pytest

from bnn_core.base.errors import InputError
from bnn_core.tables.predictions import read_predictions
from bnn_core.tables.sources import ImportOptions

P = np.array([[0.8, 0.15, 0.05], [0.2, 0.7, 0.1], [0.1, 0.3, 0.6], [0.5, 0.4, 0.1]])
TRUTH = ["cat", "dog", "owl", "dog"]
NAMES = ["cat", "dog", "owl"]
CALLED = ["cat", "dog", "owl", "cat"]


@pytest.fixture
def importing(tmp_path):
    """Write columns (or text) to a file and read it as predictions."""

    def read(content, name="t.csv", **options):
        path = tmp_path / name
        if isinstance(content, str):
            path.write_text(content)
        elif name.endswith(".jsonl"):
            pd.DataFrame(content).to_json(path, orient="records", lines=True)
        else:
            pd.DataFrame(content).to_csv(path, index=False)
        return read_predictions(path, ImportOptions(**options))

    return read


def wide(pattern):
    return {pattern.format(name): P[:, k] for k, name in enumerate(NAMES)}


@pytest.mark.parametrize(
    "columns",
    [
        pytest.param(
            {
                "Row": list("abcd"),
                "Class": TRUTH,
                **wide("P (Class={})"),
                "Prediction (Class)": CALLED,
            },
            id="KNIME",
        ),
        pytest.param(
            {"row_ids": range(4), "truth": TRUTH, "response": CALLED, **wide("prob.{}")}, id="mlr3"
        ),
        pytest.param({"predict": CALLED, **wide("{}"), "actual": TRUTH}, id="H2O"),
        pytest.param(
            {"pred": CALLED, "obs": TRUTH, **wide("{}"), "rowIndex": range(4), "Resample": "Fold1"},
            id="caret",
        ),
        pytest.param({**wide("{}"), "predictions": CALLED, "truth": TRUTH}, id="automlbenchmark"),
        pytest.param(
            {"name": TRUTH, **wide("Random Forest ({})"), "Random Forest": CALLED}, id="Orange"
        ),
        pytest.param({"y_true": TRUTH, **wide("{}_prob")}, id="suffix"),
        pytest.param({"label": TRUTH, **wide("score for {}")}, id="words"),
        pytest.param({"label": TRUTH, **wide("p({})")}, id="CellProfiler Analyst"),
        pytest.param({"label": TRUTH, **wide("Probability[{}]")}, id="JMP"),
        pytest.param({"Label": TRUTH, **wide("Probability:Class={}")}, id="CatBoost"),
        pytest.param({"target": [0, 1, 2, 1], "pred": [0, 1, 2, 0], **wide("{}")}, id="fastai"),
        pytest.param(
            {
                "YTrue": TRUTH,
                "YPred": CALLED,
                **{f"scores_{k + 1}": P[:, k] for k in range(3)},
            },
            id="MATLAB",
        ),
        pytest.param(
            {"label": TRUTH}
            | {f"top{r + 1}": [NAMES[np.argsort(-p)[r]] for p in P] for r in range(3)}
            | {f"top{r + 1}_conf": -np.sort(-P, axis=1)[:, r] for r in range(3)},
            id="ultralytics",
        ),
        pytest.param(
            {
                "image": np.repeat(list("abcd"), 3),
                "tagName": NAMES * 4,
                "probability": P.ravel(),
                "label": np.repeat(TRUTH, 3),
            },
            id="Azure",
        ),
        pytest.param({"F_line": TRUTH, "I_line": CALLED, **wide("P_line{}")}, id="SAS HPSPLIT"),
        pytest.param({"_FROM_": TRUTH, "_INTO_": CALLED, **wide("IP_{}")}, id="SAS LOGISTIC"),
        pytest.param({"line": TRUTH, **wide("P_line{}"), "_NODE_": range(4)}, id="SAS, own name"),
        pytest.param({"line": TRUTH, **wide("P (line={}) (RF)")}, id="KNIME, suffix"),
        pytest.param({"line": TRUTH, **wide("Prob( line =={} )")}, id="JMP formula"),
        pytest.param({"line": TRUTH, **wide("pr_{}")}, id="Stata"),
        pytest.param(
            {"line": TRUTH, "PRE_1": CALLED} | {f"PPROB_{k + 1}": P[:, k] for k in range(3)},
            id="SPSS",
        ),
        pytest.param(
            {"truth": TRUTH, "predLabels": CALLED} | {f"scores{k + 1}": P[:, k] for k in range(3)},
            id="MATLAB without joints",
        ),
        pytest.param(
            {
                "label": TRUTH,
                "displayNames": [json.dumps(NAMES)] * 4,
                "confidences": [json.dumps(list(p)) for p in P],
            },
            id="Vertex, two columns of lists",
        ),
        pytest.param(
            {"label": TRUTH, "predicted": CALLED}
            | {"probs": [f"tensor({p.tolist()}, device='cuda:0')" for p in P]},
            id="PyTorch",
        ),
        pytest.param(
            {"label": TRUTH, "predicted": CALLED, "probs": [str(list(p)) for p in P]}, id="NumPy 2"
        ),
        pytest.param(
            {
                "label": TRUTH,
                "predictions": [
                    json.dumps({n: {"confidence": x} for n, x in zip(NAMES, p, strict=True)})
                    for p in P
                ],
            },
            id="Roboflow",
        ),
        pytest.param(
            {f"{n}_true": [int(n == t) for t in TRUTH] for n in NAMES} | wide("{}_pred"),
            id="one-hot truth, suffix",
        ),
    ],
)
def test_tables_of_other_programs(importing, columns):
    found = importing(columns)
    p = found.moments["vi"].mean_p[:, [found.classes.index(name) for name in NAMES]]
    np.testing.assert_allclose(p, P)
    assert found.images["label"].tolist() == TRUTH


def test_names_and_scores_in_two_lists_of_a_record(importing):
    rows = [
        {"prediction": {"displayNames": NAMES[::-1], "confidences": list(p[::-1])}, "label": label}
        for p, label in zip(P, TRUTH, strict=True)
    ]
    found = importing(rows, "t.jsonl")
    np.testing.assert_allclose(
        found.moments["vi"].mean_p[:, [found.classes.index(n) for n in NAMES]], P
    )


def test_the_three_header_lines_of_orange(importing):
    table = pd.DataFrame({"name": TRUTH, **wide("Forest ({})"), "id": list("abcd")})
    lines = table.to_csv(index=False).splitlines()
    types = "discrete,continuous,continuous,continuous,string\nclass,meta,meta,meta,meta"
    found = importing("\n".join([lines[0], types, *lines[1:]]))
    assert found.images["label"].tolist() == TRUTH and found.images.index[0] == 4


def test_letters_below_the_header_may_be_classes(importing):
    labels = [*"smab", *"smab"]
    p = np.eye(4)[[0, 1, 2, 3] * 2] * 0.7 + 0.075
    rows = pd.DataFrame(
        {
            "label": labels,
            "image_id": range(8),
            **dict(zip(["p_s", "p_m", "p_a", "p_b"], p.T, strict=True)),
        }
    )
    assert importing(rows.to_csv(index=False)).images["label"].tolist() == labels


def test_codes_in_another_order_than_the_columns_keep_their_own_names(importing):
    found = importing({"target": [1, 2, 0, 2], "pred": [1, 2, 0, 1], **wide("{}")})
    assert found.classes == ["1", "2", "0"]
    assert (found.images["label"] == ["1", "2", "0", "2"]).all()


def test_a_title_above_the_header_is_named(importing):
    text = pd.DataFrame({"label": TRUTH, **wide("p_{}")}).to_csv(index=False)
    with pytest.raises(InputError, match=r"'Run 12; ResNet'.* is a title"):
        importing(f"Run 12; ResNet\n{text}")


def test_pandas_array_with_and_without_its_index(importing):
    for text in (
        pd.DataFrame(P).assign(label=[0, 1, 2, 1]).to_csv(),
        pd.DataFrame(P).assign(label=[0, 1, 2, 1]).to_csv(index=False),
    ):
        found = importing(text)
        np.testing.assert_allclose(found.moments["vi"].mean_p, P)
        assert found.classes == ["0", "1", "2"] and found.images["label"].tolist() == list("0121")


def test_medmnist_evaluator_without_a_header(importing, tmp_path):
    np.savez(
        tmp_path / "set.npz", test_images=np.zeros((4, 2, 2)), test_labels=[[0], [1], [2], [1]]
    )
    found = importing(
        pd.DataFrame(P).to_csv(header=False), labels=tmp_path / "set.npz", classes=tuple(NAMES)
    )
    np.testing.assert_allclose(found.moments["vi"].mean_p, P)
    assert found.images["label"].tolist() == TRUTH and len(found.images) == 4


def test_isic_truth_as_marks_in_a_second_table(importing, tmp_path):
    marks = pd.DataFrame(
        {"image": list("wxyz"), **{n: [float(t == n) for t in TRUTH] for n in NAMES}}
    )
    marks.to_csv(tmp_path / "truth.csv", index=False)
    found = importing({"image": list("zyxw"), **wide("{}")}, metadata=(tmp_path / "truth.csv",))
    assert found.classes == NAMES and found.images["label"].tolist() == TRUTH[::-1]
    alone = importing({"image": list("zyxw"), **wide("{}")})
    assert alone.classes == NAMES and any("sum to 1 in every row" in n for n in alone.notes)


def timm(k, tables=True):
    """The k best classes of each image, as timm's inference script writes them."""
    order = np.argsort(-P, axis=1)[:, :k]
    scores = np.take_along_axis(P, order, axis=1)
    if not tables:
        return {"filename": list("abcd"), "index": order.tolist(), "prob": scores.tolist()}
    return {
        "filename": list("abcd"),
        **{f"index_{j}": order[:, j] for j in range(k)},
        **{f"prob_{j}": scores[:, j] for j in range(k)},
    }


def test_ranks_of_timm_are_put_back_in_the_order_of_the_classes(importing):
    found = importing(timm(3), classes=tuple(NAMES))
    np.testing.assert_allclose(found.moments["vi"].mean_p, P)
    listed = importing(timm(3, tables=False), name="t.jsonl", classes=tuple(NAMES))
    np.testing.assert_allclose(listed.moments["vi"].mean_p, P)
    with pytest.raises(InputError, match=r"'prob_0', 'index_0' \.\.\. are the 2 best of 3 classes"):
        importing(timm(2))


def test_ranks_without_their_classes_are_refused(importing):
    scores = -np.sort(-np.tile(P, (3, 1)), axis=1)
    with pytest.raises(InputError, match="from left to right in every row"):
        importing({f"prob_{k}": scores[:, k] for k in range(3)})


def test_lists_of_a_text_pipeline(importing):
    rows = [
        {
            "image": f"{i}.png",
            "scores": [{"label": n, "score": s} for n, s in zip(NAMES, p, strict=True)],
        }
        for i, p in enumerate(P.tolist())
    ]
    found = importing("\n".join(map(json.dumps, rows)), name="t.jsonl")
    np.testing.assert_allclose(found.moments["vi"].mean_p, P)
    assert found.classes == NAMES and found.images["path"].iloc[3] == "3.png"


def test_features_beside_the_probabilities_are_not_read_as_classes(importing):
    rng = np.random.default_rng(0)
    extra = {f"feature_{k}": rng.random(4) for k in range(6)}
    found = importing({"label": TRUTH, **extra, **wide("{} (model)")})
    np.testing.assert_allclose(found.moments["vi"].mean_p, P)


LABEL = {"image": list("abcd"), "label": TRUTH}
CAUSES = {
    "one column": ("a/b/c\n0.9/0.1/x\n", "one column only.*no separator"),
    "no header": ("a.png,0.9,0.1,x\nb.png,0.2,0.8,y\n", r"first line holds numbers \(0.9, 0.1\)"),
    "percent": (LABEL | {"cat": "90 %", "dog": "10 %"}, "'cat' holds percentages as text"),
    "no class in a long table": (
        {"image": list("aabb"), "probability": [0.9, 0.1, 0.2, 0.8], "label": ["x", "x", "y", "y"]},
        "no column of classes",
    ),
    "no value in a long table": (
        {"image": list("aabb"), "class": list("xyxy"), "note": list("stuv")},
        "no column of their probabilities",
    ),
    "one class": (LABEL | {"cat": [0.9, 0.1, 0.2, 0.4]}, "only the column 'cat'.*dog and owl"),
    "top one": (
        LABEL | {"predicted": CALLED, "confidence": [0.9, 0.8, 0.7, 0.6]},
        "'confidence' is the probability of the predicted class",
    ),
    "marks": (
        LABEL | {"m1": [1, 0, 0, 1], "m2": [0, 1, 0, 0], "m3": [0, 0, 1, 0]},
        "0 and 1, .* decisions",
    ),
    "a missing column": (
        LABEL | {"u": [0.6, 0.2, 0.1, 0.4], "v": [0.2, 0.7, 0.3, 0.5]},
        r"sum to 0\.4 to 0\.9: .* missing",
    ),
    "logits": (
        LABEL | {"u": [3, -1, 2, 5], "v": [0.1, 4, 1, 1], "w": [1, 1, 9, -2]},
        "as many columns as labels.*--logits",
    ),
    "features": (
        LABEL | {f"f{k}": [1.0 * k, 2, 3, 4] for k in range(30)},
        "30 columns of numbers .*bnn study features",
    ),
    "predicted only": (LABEL | {"predicted": CALLED}, "predicted classes .* no probabilities"),
    "a prediction that is a number": (
        {"predicted": CALLED, "prediction": P.max(axis=1)},
        "'prediction' is the probability of the predicted class",
    ),
    "labels only": (LABEL, "no numbers .*--metadata"),
}


@pytest.mark.parametrize("cause", CAUSES)
def test_each_cause_has_a_different_message(importing, cause):
    content, words = CAUSES[cause]
    with pytest.raises(InputError, match=words) as error:
        importing(content)
    others = [w for c, (_, w) in CAUSES.items() if c != cause]
    assert not [w for w in others if re.search(w, str(error.value))]
    assert "\n" not in str(error.value)


def test_a_mistyped_prefix_has_a_suggestion(importing):
    with pytest.raises(InputError, match=r"--prefix softmx_: .*did you mean 'softmax_'"):
        importing({f"softmax_{n}": P[:, k] for k, n in enumerate(NAMES)}, prefix="softmx_")


@pytest.mark.parametrize(("variable", "value"), [("variable", "value"), ("name", "value")])
def test_melted_tables_have_one_row_per_image_and_class(importing, variable, value):
    table = pd.DataFrame({"image": list("abcd"), "label": TRUTH, **wide("{}")})
    found = importing(table.melt(["image", "label"], var_name=variable, value_name=value))
    np.testing.assert_allclose(found.moments["vi"].mean_p, P)


def test_numbers_of_groups_after_a_word_are_numbers(importing):
    columns = {f"Dis{k + 1}_2": P[:, k] for k in range(3)}  # SPSS DISCRIMINANT
    found = importing({"line": [1, 2, 3, 2], "Dis_1": [1, 2, 3, 1], **columns})
    assert found.classes == ["1", "2", "3"] and found.images["label"].tolist() == list("1232")
    found = importing({"line": [1, 2, 3, 2]} | {f"p{k + 1}": P[:, k] for k in range(3)})
    assert found.images["label"].tolist() == list("1232")  # Stata


def test_a_column_of_numbers_that_ignores_the_highest_class_is_only_named(importing):
    columns = {f"p{k + 1}": P[:, k] for k in range(3)}
    with pytest.raises(InputError, match="only class names occur in 'shift'; --label shift"):
        importing({"shift": [2, 3, 1, 3], **columns})


@pytest.mark.parametrize("mark", [".", "_"])
def test_names_as_programs_write_them_are_offered(importing, mark):
    labels = ["DNA damage", "Eg5/KSP", "3 x", "Eg5/KSP"]
    names = [re.sub("[ /]", mark, name) for name in ("DNA damage", "Eg5/KSP", "X3 x")]
    with pytest.raises(InputError, match=r"look like --classes 'DNA damage' Eg5/KSP '3 x'$"):
        importing({"label": labels} | {f"p_{name}": P[:, k] for k, name in enumerate(names)})


def test_weka_with_a_distribution(importing):
    lines = ["inst#,actual,predicted,error,distribution,,"]
    for i, (p, truth, called) in enumerate(zip(P, TRUTH, CALLED, strict=True)):
        shares = ",".join(
            ("*" if n == called else "") + f"{x:g}" for n, x in zip(NAMES, p, strict=True)
        )
        a, b = (f"{NAMES.index(name) + 1}:{name}" for name in (truth, called))
        lines.append(f"{i + 1},{a},{b},,{shares}")
    found = importing("\n".join(lines))
    assert found.classes == NAMES and found.images["label"].tolist() == TRUTH
    np.testing.assert_allclose(found.moments["vi"].mean_p, P)


def test_class_that_is_always_the_highest_may_be_the_prediction(importing):
    found = importing({"Class": CALLED, **wide("Probability {}")})  # CellProfiler Analyst
    assert any(
        n.startswith("WARNING: 'Class' is the highest class in every row") for n in found.notes
    )
    other = importing({"Class": TRUTH, **wide("Probability {}")})
    assert not any("in every row: if" in n for n in other.notes)


def test_response_is_the_label_beside_a_prediction(importing):
    found = importing(
        {"response": [0, 1, 2, 1], "predict": [0, 1, 2, 0]} | {f"p{k}": P[:, k] for k in range(3)}
    )
    assert found.images["label"].tolist() == list("0121")


def test_quoted_decimal_commas_between_commas(importing):
    lines = [
        ",".join([t, *(f'"{x:.2f}"'.replace(".", ",") for x in p)])
        for t, p in zip(TRUTH, P, strict=True)
    ]
    found = importing("\n".join(["label,p_cat,p_dog,p_owl", *lines]))
    np.testing.assert_allclose(found.moments["vi"].mean_p, P)


def test_two_sets_of_probabilities_are_named(importing):
    with pytest.raises(InputError, match="2 sets of predictions: choose one with --prefix"):
        importing({"label": TRUTH, **wide("rf_{}"), **wide("cnn_{}")})


def test_a_curly_apostrophe_is_named(importing):
    with pytest.raises(InputError, match=r"another sign .*right single quotation mark"):
        importing({"label": ["cat's", "cat\u2019s"], "p_cat's": [0.9, 0.2], "p_b": [0.1, 0.8]})


def test_letters_as_roles_of_orange(importing):
    table = pd.DataFrame({"name": TRUTH, **wide("Forest ({})")})
    lines = table.to_csv(index=False).splitlines()
    found = importing(
        "\n".join([lines[0], "cat dog owl,c,c,c", "class,meta,meta,meta", *lines[1:]])
    )
    assert found.images["label"].tolist() == TRUTH


def test_labels_as_pytorch_prints_them(importing):
    labels = {"label": [f"tensor({k})" for k in (0, 1, 2, 1)]}
    found = importing(labels | {f"p_{k}": P[:, k] for k in range(3)})
    assert found.images["label"].tolist() == list("0121")


@pytest.mark.parametrize("name", ["name", "variable"])
def test_a_column_name_beside_one_probability_names_images(importing, name):
    names, shares = [f"{i}.png" for i in range(4)], [0.9, 0.2, 0.7, 0.1]
    found = importing({name: names, "label": ["yes", "no"] * 2, "prob": shares})
    np.testing.assert_allclose(found.moments["vi"].mean_p[:, 1], shares)


@pytest.mark.parametrize("name", ["f_count", "i_site"])
def test_names_of_sas_on_other_columns_mean_nothing(importing, name):
    columns = {f"p{k + 1}": P[:, k] for k in range(3)}
    found = importing({"label": [1, 2, 3, 2], name: [3, 3, 1, 2], **columns})
    assert (
        found.images["label"].tolist() == list("1232") and f"not used: {name}" in found.understood
    )
    with pytest.raises(InputError, match="do not name their classes"):
        importing({"f_count": [3, 3, 1, 2], **columns})


def test_a_class_is_not_cut_out_of_a_number(importing):
    columns = {f"p_{10 + k}": P[:, k] for k in range(3)}
    with pytest.raises(InputError, match="do not name their classes"):
        importing({"label": [0, 1, 2, 1], **columns})


def test_marks_of_the_true_class_are_no_names_of_scores(importing):
    number = [NAMES.index(name) for name in TRUTH]
    marks = [json.dumps([int(k == n) for k in range(3)]) for n in number]
    found = importing({"labels": marks, "probs": [json.dumps(list(p)) for p in P]})
    np.testing.assert_allclose(found.moments["vi"].mean_p, P)
    assert found.images["label"].tolist() == list(map(str, number))
    records = [json.dumps(dict(zip(NAMES, p, strict=True))) for p in P]
    marked = [json.dumps({name: int(name == t) for name in NAMES}) for t in TRUTH]
    found = importing({"labels": marked, "probs": records})
    np.testing.assert_allclose(found.moments["vi"].mean_p, P)


def test_statistics_beside_the_classes_are_no_classes(importing):
    found = importing({"label": TRUTH, **wide("p_{}"), "p_max": P.max(axis=1), "p_sum": [1.0] * 4})
    assert found.classes == NAMES
    assert any("'p_max' and 'p_sum' are not read as classes" in note for note in found.notes)
    high = importing({"label": ["low", "high", "max", "low"], "p_low": P[:, 0], "p_high": P[:, 1]}
                     | {"p_max": P[:, 2]})  # fmt: skip
    assert high.classes == ["low", "high", "max"]


def test_a_confusion_matrix_is_warned_of(importing):
    matrix = {"true": NAMES} | {name: np.eye(3)[k] * 0.7 + 0.1 for k, name in enumerate(NAMES)}
    assert any("confusion matrix" in note for note in importing(matrix).notes)
    assert not any("matrix" in note for note in importing({"true": TRUTH, **wide("{}")}).notes)


def test_rows_of_tidymodels_are_images_and_not_its_resamples(importing):
    rows = {"id": ["Fold1", "Fold1", "Fold2", "Fold2"], ".row": [4, 1, 2, 3]}
    found = importing({**wide(".pred_{}"), **rows, "line": TRUTH})
    assert found.images["image_id"].tolist() == ["4", "1", "2", "3"]


@pytest.mark.parametrize(
    ("sums", "words"),
    [
        (P.T, "rows and columns are exchanged"),
        (np.tile(P, 2), "2 networks or samples"),
        (P * 0.9, "a class may be missing"),
        (P + np.array([[0.2], [0.1], [0.15], [0.05]]), "one class against all others"),
    ],
)
def test_sums_that_are_not_one_have_a_cause(importing, sums, words):
    with pytest.raises(InputError, match=words):
        importing({f"p_{k}": sums[:, k] for k in range(sums.shape[1])})


def test_the_predicted_class_of_libsvm_is_no_label(importing):
    rows = "\n".join(" ".join(map(str, [k, *p])) for k, p in zip((0, 1, 2, 0), P, strict=True))
    found = importing(f"labels 0 1 2\n{rows}\n", "t.txt")
    assert found.images["label"].isna().all() and "predicted class" in found.understood
    two = "labels 1 -1\n1 0.75 0.25\n-1 0.375 0.625\n"
    assert importing(two, "t.txt").images["label"].isna().all()
    commas = importing(f"labels 0 1 2\n{rows}\n".replace(" ", ","))
    assert commas.images["label"].tolist() == ["0", "1", "2", "0"]


def test_a_class_name_that_no_page_could_show(importing):
    p = {"p_a": P[:, 0], f"p_{'b' * 200}": 1 - P[:, 0]}
    assert len(importing(p).classes[1]) == 200
    with pytest.raises(InputError, match="has 201 letters, at most 200"):
        importing({"p_a": P[:, 0], f"p_{'b' * 201}": 1 - P[:, 0]})


def test_labels_that_are_always_the_highest_class_are_doubted(importing):
    p = {"p_a": [0.6] * 16, "p_b": [0.4] * 16, "id": range(16)}
    assert any("6 errors" in note for note in importing({**p, "label": "a"}).notes)
    assert not any("errors" in n for n in importing({**p, "label": ["a"] * 15 + ["b"]}).notes)


def test_numbers_for_columns_of_names_are_asked_about(importing):
    with pytest.raises(InputError, match=r"if the lowest .* 'cat' .* --classes cat dog owl, else"):
        importing({"label": [0, 1, 2, 1], **wide("p_{}")})
