"""The declarations of OPAL: every packet, code, timer, machine and requirement, stated once.

Reading order: `form` (the shapes of plain tables), `dialect` (how a packet is written; the parts of its body in
`parts`), `machine` (how a machine is), `wire` (header, FLIT, sideband record, CRCs and the rules that hold for every
packet), then the chapters: `attach`, `link`, `management`, `security`, `power`, `realtime`, `capture`, `frame`, `lens`.
A chapter begins in the module of its name; where it is long, `_operation` has the rest of its packets and `_rules` its
requirements. The machines stand beside it in `_machine`, and `model_*` puts them together to prove what must hold of
both sides. `catalogue` gathers everything.

Nothing here imports any other part of opalink, and importing this package imports none of its modules:
users of the generated codec never load construct.
"""
