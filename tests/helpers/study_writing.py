"""Studies from finished parts, for tests."""

import shutil
from pathlib import Path
from typing import Any

from bnn_core.study.lock import study_lock
from bnn_core.study.working_folder import demand_no_training, open_making
from bnn_core.study.writing import finish_study


def write_study(out: Path, *, force: bool = False, **parts: Any) -> Path:
    """Make a study in one go from finished parts (see `finish_study`)."""
    out = Path(out)
    with study_lock(out):
        demand_no_training(out)
        making = open_making(out, parts.get("settings") or {}, force=force, restart=True)
        try:
            return finish_study(making, **parts)
        except BaseException:
            shutil.rmtree(making, ignore_errors=True)
            raise
