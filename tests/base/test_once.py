"""A property that is computed once for each object, and by no object in the way of another."""

import threading

from bnn_core.base.once import once


class Box:
    def __init__(self, wait=None):
        self.wait, self.count = wait, 0

    @once
    def value(self):
        """What it is."""
        self.count += 1
        if self.wait:
            assert self.wait.wait(20)
        return [self.count]


def test_it_is_computed_once_for_each_object():
    one, other = Box(), Box()
    assert one.value is one.value and one.count == 1
    assert other.value is not one.value
    assert Box.value.__doc__ == "What it is."


def test_nobody_waits_for_another_object_and_all_get_the_same():
    go = threading.Event()
    slow, seen = Box(go), []
    threads = [threading.Thread(target=lambda: seen.append(slow.value)) for _ in range(2)]
    for thread in threads:
        thread.start()
    assert Box().value == [1]  # while the other is being computed
    go.set()
    for thread in threads:
        thread.join()
    assert seen[0] is seen[1] is slow.value
