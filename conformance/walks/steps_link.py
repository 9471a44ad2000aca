"""Steps of walks: the link, and what is asked of it beyond its means.

Plan: power of the link.
"""

from opalink.conformance.walks.table import ask, just
from opalink.protocol import packets as p

# ── Power of the link ────────────────────────────────────────────────────────────────────────────────

for _target in p.LinkPower:
    if _target is not p.LinkPower.L0:
        ask(f"link_pm.{_target.name.lower()}.at_once", "LINK_PM", just(p.LinkPm(target=_target, exit_latency=1)))
