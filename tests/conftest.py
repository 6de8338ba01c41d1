"""What several test files share. Slow machines are no failure, and torch takes one thread."""

import signal
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import settings

from bnn_core.recipes import workers

settings.register_profile("patient", deadline=None, max_examples=50, derandomize=True)
settings.load_profile("patient")
torch.set_num_threads(1)
# A shell's background job ignores Ctrl-C, and so would the processes that tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def trains_here():
    """Studies train in the process of the test: what it replaces holds there, and none is started."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workers, "processors", lambda: 1)
        yield


@pytest.fixture(autouse=True)
def own_main():
    """A page that is tested becomes `__main__`, which processes started later would import."""
    main = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = main


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The real data beside the repository; the test is skipped where they are absent."""
    path = Path(__file__).parents[2] / "shared" / "data"
    if not path.is_dir():
        pytest.skip(f"the real data are not at {path}")
    return path


@pytest.fixture(scope="session")
def authors(shared_data) -> SimpleNamespace:
    """The published BBBC021 table: frame, mean softmax p (1196, 12), class names, true index y.

    The class of each column is read off the predicted names, which is how it is known at all.
    """
    frame = pd.read_csv(shared_data / "bbbc021" / "deodato2020_leave_one_compound_out.csv")
    p = frame[[f"softmax_{k}" for k in range(12)]].to_numpy()
    top = p.argmax(axis=1)
    classes = [frame["predicted_MOA"][top == k].iat[0] for k in range(12)]
    y = pd.Index(classes).get_indexer(frame["MOA"])
    return SimpleNamespace(
        frame=frame,
        p=p,
        classes=classes,
        y=y,
        correct=top == y,
        c=frame["confidence"].to_numpy(),
        top=np.max(p, axis=1),
    )


def pytest_collection_modifyitems(items) -> None:
    """Browser tests come last: the driver's event loop runs on and would be in others' way."""
    items.sort(key=lambda item: "browser" in item.path.parts)
