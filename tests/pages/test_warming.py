"""What a server does beside its pages."""

import subprocess
import sys

import pytest

#: 200 MB in small pieces; all but every fiftieth are freed, so that no pool of memory ends in a hole.
HOLES = """
import time
from pages.shared import warming

def memory():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024

pieces = [bytes(2000) for _ in range(100_000)]
kept = pieces[::50]
del pieces
before = memory()
warming._MINUTE = 0.1
warming.start_giving_memory_back()
time.sleep(3)
print(before, memory())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory of a process is read as on Linux")
def test_memory_that_pages_no_longer_use_is_given_back():
    made = subprocess.run(
        [sys.executable, "-c", HOLES], capture_output=True, text=True, check=True, timeout=60
    )
    before, after = map(float, made.stdout.split())
    assert before > 190 and after < 60


def test_arrow_takes_its_memory_where_holes_are_given_back():
    code = "import app; import pyarrow; print(pyarrow.default_memory_pool().backend_name)"
    made = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert made.stdout.strip() == "system"
