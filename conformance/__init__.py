"""Judges an implementation against the specification: `certify` is the face.

>>> from opalink.conformance import Options, certify
>>> certify("sim:four-thirds", Options(selection="MOD/WIRE")).summary  # doctest: +SKIP
{'pass': 14, 'fail': 0, 'inconc': 0, 'error': 0, 'na': 0, 'notrun': 0}

`purposes` says what a test is, `generated` and `scenarios/` say which there are, `walks/` holds those that were
searched for; `runner` performs them with the lower tester in `tester/`, and `campaign` concludes. Before a campaign
comes `wiring/`; `papers/` is what vendors write, `bundle/` what they get, `sealed/` what others can believe of it.
`offline/` judges recordings, `exploration/` looks beyond the locked corpus. `selfcheck/` measures the suite, by its
mutants and by the `zoo/`.
"""

from opalink.conformance.bundle.results import Campaign, Result
from opalink.conformance.campaign import certify
from opalink.conformance.levels import Reach
from opalink.conformance.papers.pics import Pics, PicsError
from opalink.conformance.purposes import Plan
from opalink.conformance.runner import Options
from opalink.conformance.selection import BadExpression
from opalink.conformance.verdicts import Conclusion, Exit, Verdict

__all__ = [
    "BadExpression", "Campaign", "Conclusion", "Exit", "Options", "Pics", "PicsError", "Plan", "Reach", "Result",
    "Verdict", "certify",
]  # fmt: skip
