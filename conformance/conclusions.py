"""Ways out of a test other than passing it.

A test raises one of these; the campaign makes its verdict of it.

Plan: conclusions.
"""

from opalink.protocol.packets import OperationTag


class Conclusive(Exception):  # noqa: N818  a way out of a test, not an error
    """Ends a test."""


class Fail(Conclusive):
    """The implementation did what it must not. `charged` names a requirement other than the purpose's own."""

    def __init__(self, expected: str, actual: str, charged: tuple[str, ...] = ()) -> None:
        super().__init__(f"expected {expected}, saw {actual}")
        self.expected, self.actual, self.charged = expected, actual, charged


class Inconclusive(Conclusive):
    """The test could not come to the point."""


class Overrun(Inconclusive):
    """The implementation sends more, or asks to run more often, than a test can take."""


class Inapplicable(Conclusive):
    """What the test is about is not there, and need not be."""


class Coarse(Conclusive):
    """The bench's time is too coarse for the test."""


class Unavailable(Conclusive):
    """The upper tester cannot do what the test needs. `operation` is the name of what it cannot do."""

    def __init__(self, operation: OperationTag, reason: str) -> None:
        super().__init__(reason)
        self.operation = operation.name.lower()
