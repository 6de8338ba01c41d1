"""What a process may use of the machine; inside a container its limits hold."""

import os

import pytest

from bnn_core.base import machine


@pytest.fixture
def container(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "_CONTAINER", tmp_path)
    monkeypatch.setattr(machine, "_MEMORY", tmp_path / "meminfo")
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 2, 5}, raising=False)
    return tmp_path


def test_processors_are_those_of_the_process_and_of_its_container(container):
    assert machine.processors() == 3
    for limit, count in (("max 100000", 3), ("250000 100000", 2), ("50000 100000", 1)):
        (container / "cpu.max").write_text(limit)
        assert machine.processors() == count


def test_free_memory_is_that_of_the_machine_or_of_its_container(container, monkeypatch):
    (container / "meminfo").write_text("MemTotal: 9000 kB\nMemAvailable:    4000 kB\n")
    assert machine.free_memory() == 4000 * 1024
    (container / "memory.max").write_text("max\n")
    assert machine.free_memory() == 4000 * 1024
    (container / "memory.max").write_text("2000000\n")
    (container / "memory.current").write_text("500000\n")
    assert machine.free_memory() == 1_500_000


def test_free_memory_where_the_system_does_not_say_it(container, monkeypatch):
    monkeypatch.setattr(os, "sysconf_names", {"SC_PHYS_PAGES": 1}, raising=False)
    monkeypatch.setattr(os, "sysconf", lambda name: {"SC_PHYS_PAGES": 100}.get(name, 4096))
    assert machine.free_memory() == 100 * 4096 // 2
    monkeypatch.setattr(os, "sysconf_names", {})
    assert machine.free_memory() == 0
