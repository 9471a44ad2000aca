"""`opalink spec check`: what can be proved of the declarations without running them.

>>> from opalink.protocol.check import check
>>> from opalink.protocol.ir.load import catalogue
>>> check(catalogue())
[]
"""

from opalink.protocol.check import behaviour, layouts, machines, tables
from opalink.protocol.check.rules import RULES, Finding, check

# The modules register their rules when they are imported.
__all__ = ["RULES", "Finding", "behaviour", "check", "layouts", "machines", "tables"]
