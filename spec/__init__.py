"""The declarations of OPAL: every packet, code, timer, machine and requirement, stated once.

Reading order: `form` (the shapes of plain tables), `dialect` (how a packet is written; the parts of its body in
`parts`), `wire` (header, FLIT, sideband record, CRCs and the rules that hold for every packet), then one module per
group of packets, each with its machine in it or beside it: `attach`, `link`, `management`, `security`, `power`,
`realtime`, `capture`, `frame`, `lens`. `catalogue` gathers them.

Nothing here imports any other part of opalink, and importing this package imports none of its modules:
users of the generated codec never load construct.
"""
