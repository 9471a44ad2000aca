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

Plan: what holds · what does not hold.
"""

from typing import Final

from msgspec import structs

from opalink.spec.model_attach import ATTACH, LIGHT
from opalink.spec.model_camera import CAPTURE, FOCUS, FRAME, TIME
from opalink.spec.model_form import MODULE, Happening, Model
from opalink.spec.model_power import POWER
from opalink.spec.model_security import AUTH, FIRMWARE

# ── What holds ─────────────────────────────────────────────────────────────────────────────────────

MODELS: Final = (ATTACH, LIGHT, POWER, CAPTURE, FRAME, FOCUS, TIME, AUTH, FIRMWARE)
"""Every machine is in one of them."""

# ── What does not hold ─────────────────────────────────────────────────────────────────────────────
# Each is a model as above, asked for more than the tables give. One that holds is to be taken up above.


def _asked(model: Model, name: str, doc: str, *, never: str = "", **changes: object) -> Model:
    """A variation of a model; `never` is a part of its `common` that is not accepted."""
    common = model.common.replace(never, "false") if never else model.common
    assert not never or common != model.common, never
    return structs.replace(model, name=name, doc=doc, common=common, **changes)


OPEN: Final = (
    _asked(
        ATTACH,
        "attach-dark",
        "A side that has not yet noticed that the light is gone answers HELLO on the sideband, and the phone is "
        "ready in the dark: `light_off` was before, and KEEPALIVE is answered without a session.",
        prompt=False,
    ),
    _asked(
        LIGHT,
        "light-proof",
        "The phone's BEACON is lost: the phone, with its own proof, is in L0 and beacons no more; the module has none.",
        kept=False,
    ),
    _asked(
        POWER,
        "power-offers",
        "A hard reset of the module's that the phone does not hear leaves the module in BOOT: nobody repeats the "
        "offers.",
        never="(module_contract == 0 && module_POWER == module_POWER_BOOT)",
    ),
    _asked(
        FIRMWARE,
        "firmware-unheard",
        "An image is written while the link is lost: FW_STATUS is not sent, nor again once the session goes on, and "
        "the phone serves for ever.",
        world=(
            *(h for h in FIRMWARE.world if h.name != "has written the image"),
            Happening("has written the image", "my_writing", "my_writing = 0; raise my.image_written", "must", MODULE),
        ),
    ),
)
"""Known findings."""
