"""What must never happen, and what must always happen in the end: the machines of both sides, put together in a world.

A model takes the machines of one concern, gives them a wire that loses and a world that disturbs, and says what must
hold. Machines that are not in it are stood for by what happens in its world. The world may become calm at any moment
and stays so: nothing is lost or disturbed any more, users want nothing new, and what can go on does.

    Invariant   holds after every step, before and after
    Bound       what has begun is over within so many ticks
    `common`    from any state, once the world is calm, the sides come to it and stay (no livelock), and nothing
                stops outside it (no deadlock)

What was simplified, for every model; what each leaves out beside that, its doc and its `world` say:

    time        counted in ticks: a timer runs one tick longer than every timer of its model that, by the declared
                times, is over before it could be; how often one fits into another is not kept, and two timers due at
                the same tick run out in either order. A packet takes less than a tick: time goes on when nothing is
                under way
    wire        one queue a direction, of a few packets, in order. On the sideband any packet may be lost; on the laser,
                what is under way when the light goes. On a `kept` wire nothing is: FLITs are replayed, and go on after
                a resume. Nothing is changed or repeated on the way
    world       at most one disturbance (a loss, a removal, a user's wish …) a tick, and at most `storm` of them until
                the sides have come to `common` again; then as many once more, without end. `prompt` sides notice what
                changes around them before the next packet
    requests    a side keeps the last open request of each type; it is answered at once or never. Packets that no row
                waits for are only heard, those of services that have no machine are answered OK
    values      packets carry one small number; sessions, nonces, generations and power are numbers of two bits
    words       as `opalink.spec.abstraction` says, one by one; rows of the features that it names are left out

The models stand by concern in `model_*`; `opalink spec model` explores them.

Plan: the models.
"""

from typing import Final

from opalink.spec.model_attach import ATTACH, ATTACH_LIGHT, DARK, LIGHT, SIDEBAND
from opalink.spec.model_camera import CAPTURE, FOCUS, FRAME, TIME
from opalink.spec.model_link import TRAINING
from opalink.spec.model_power import POWER, POWER_SIDEBAND
from opalink.spec.model_security import AUTH, FIRMWARE

# ── The models ───────────────────────────────────────────────────────────────────────────────────────

MODELS: Final = (
    ATTACH,
    DARK,
    ATTACH_LIGHT,
    SIDEBAND,
    LIGHT,
    TRAINING,
    POWER,
    POWER_SIDEBAND,
    CAPTURE,
    FRAME,
    FOCUS,
    TIME,
    AUTH,
    FIRMWARE,
)
"""Every machine is in one of them."""
