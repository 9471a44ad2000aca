"""The FLIT layer: sequence, acknowledgement, replay, credits and priorities on the laser. Bytes in, bytes out.

`End` is one side's, on the phone as on the module and in a tester's gateway; `parameters` and `least` say what a side
grants. How an end is driven is in `end`.

Reading order: `layout` (a FLIT's bytes), `outgoing` and `window` (what waits and what is under way), `incoming` and
`assembly` (what has come and the packets out of it), `state`, `sending`, `receiving` and `end` (all together);
`listening` is for those who are no end.
"""

from opalink.protocol.flit.end import End
from opalink.protocol.flit.sending import QueueFullError
from opalink.protocol.flit.state import least, parameters

__all__ = ["End", "QueueFullError", "least", "parameters"]
