"""A property that is computed once for each object."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

Value = TypeVar("Value")


class once(Generic[Value]):
    """As `functools.cached_property` of Python 3.12.

    That of 3.11 has a lock that all objects of a class share: whoever computes something of a large
    study would hold up everybody who looks at another one. Two threads may compute a value at the
    same time; both get the first.
    """

    def __init__(self, compute: Callable[[Any], Value]):
        self.compute, self.__doc__ = compute, compute.__doc__

    @overload
    def __get__(self, owner: None, kind: type) -> "once[Value]": ...

    @overload
    def __get__(self, owner: object, kind: type) -> Value: ...

    def __get__(self, owner: object, kind: type) -> "once[Value] | Value":
        if owner is None:
            return self
        name = self.compute.__name__
        value = self.compute(owner)
        return vars(owner).setdefault(name, value)
