"""Status codes and their scope.

A status is seen in a response, inside an event, or nowhere on the wire (`local`: the side that noticed counts
it). PENDING is a packet, not a status. Codes F0 to FE belong to vendors.
"""

from typing import Final

from opalink.spec.form import Scope, Status

_R, _E, _L = Scope.RESPONSE, Scope.EVENT, Scope.LOCAL

OK: Final = Status("OK", 0x00, (_R, _E), "Done.", success=True)
BUSY: Final = Status("BUSY", 0x02, (_R,), "Try again after the time in the refusal.")
CANCELLED: Final = Status("CANCELLED", 0x03, (_R, _E), "Given up because the requester asked for it.")
TIMEOUT: Final = Status("TIMEOUT", 0x04, (_R, _E), "The operation did not finish in its own time.")
NO_MEMORY: Final = Status("NO_MEMORY", 0x05, (_R,), "No room to hold what was asked.")
NOT_SUPPORTED: Final = Status("NOT_SUPPORTED", 0x06, (_R,), "No such packet type, form or feature here.")
BAD_LENGTH: Final = Status("BAD_LENGTH", 0x07, (_R,), "The payload is shorter or longer than its layout.")
BAD_VALUE: Final = Status("BAD_VALUE", 0x08, (_R,), "A field outside its range, or an unknown member.")
BAD_STATE: Final = Status("BAD_STATE", 0x09, (_R,), "Not legal in the present state; nothing was changed.")
BAD_VERSION: Final = Status("BAD_VERSION", 0x0A, (_R,), "A major version that this side does not speak.")
BAD_CRC: Final = Status("BAD_CRC", 0x0B, (_L,), "A packet was dropped because its CRC was wrong.")
TOO_LARGE: Final = Status("TOO_LARGE", 0x0C, (_R,), "The answer or the object does not fit.")
NO_SUCH_ID: Final = Status("NO_SUCH_ID", 0x0D, (_R,), "Names an object, mode, property or frame that is not there.")
READ_ONLY: Final = Status("READ_ONLY", 0x0E, (_R,), "Can be read but not set.")
ADJUSTED: Final = Status("ADJUSTED", 0x0F, (_R,), "Done, with the values that the response gives.", success=True)

LINK_LOST: Final = Status("LINK_LOST", 0x10, (_E, _L), "The light went away while the contacts stayed closed.")
LINK_DEGRADED: Final = Status("LINK_DEGRADED", 0x11, (_E,), "Errors before correction are above the watch level.")
RETRAINING: Final = Status("RETRAINING", 0x12, (_R, _E), "The link is being trained again.")
EPOCH_MISMATCH: Final = Status("EPOCH_MISMATCH", 0x13, (_R,), "Names a link epoch that has passed.")
SEQ_GAP: Final = Status("SEQ_GAP", 0x14, (_L,), "A FLIT is missing.")
CREDIT_VIOLATION: Final = Status("CREDIT_VIOLATION", 0x15, (_E, _L), "The peer sent without credit.")
REPLAY_EXHAUSTED: Final = Status("REPLAY_EXHAUSTED", 0x16, (_E, _L), "A FLIT asked for is no longer held.")
LASER_INTERLOCK: Final = Status("LASER_INTERLOCK", 0x17, (_R, _E), "The interlock forbids light.")

PWR_REJECT: Final = Status("PWR_REJECT", 0x20, (_R,), "The source will not supply this.")
PWR_WAIT: Final = Status("PWR_WAIT", 0x21, (_R,), "The source cannot say yet; ask again after the given time.")
PWR_MISMATCH: Final = Status("PWR_MISMATCH", 0x22, (_R, _E), "No offer covers what the sink needs.")
PWR_LIMIT: Final = Status("PWR_LIMIT", 0x23, (_R, _E), "Needs more power than the contract gives.")
OVERCURRENT: Final = Status("OVERCURRENT", 0x24, (_E,), "Current above the limit.")
UNDERVOLTAGE: Final = Status("UNDERVOLTAGE", 0x25, (_E,), "Voltage below the limit.")
CONTACT_BAD: Final = Status("CONTACT_BAD", 0x26, (_R, _E), "Contact resistance above the class's limit.")
MOISTURE: Final = Status("MOISTURE", 0x27, (_R, _E), "Leakage between the contacts.")
FOREIGN_OBJECT: Final = Status("FOREIGN_OBJECT", 0x28, (_E,), "Power is lost that neither side consumes.")
THERMAL_LIMIT: Final = Status("THERMAL_LIMIT", 0x29, (_R, _E), "Too hot for what was asked.")

NOT_AUTHENTICATED: Final = Status("NOT_AUTHENTICATED", 0x30, (_R,), "Needs an authenticated module.")
AUTH_FAILED: Final = Status("AUTH_FAILED", 0x31, (_R, _E), "The authentication was tried and failed.")
NEEDS_SESSION: Final = Status("NEEDS_SESSION", 0x32, (_R,), "Needs a session that does not exist.")
FW_BAD_HASH: Final = Status("FW_BAD_HASH", 0x33, (_E,), "The image is not what its digest says.")
FW_BAD_SIGNATURE: Final = Status("FW_BAD_SIGNATURE", 0x34, (_E,), "The image is not signed by its vendor.")
FW_WRONG_COMPONENT: Final = Status("FW_WRONG_COMPONENT", 0x35, (_R, _E), "The image is for something else.")
FW_ROLLBACK: Final = Status("FW_ROLLBACK", 0x36, (_R, _E), "The image is older than the policy allows.")

LATE: Final = Status("LATE", 0x40, (_R, _E), "The moment named has passed.")
NO_TIME: Final = Status("NO_TIME", 0x41, (_R,), "Needs synchronised time, and there is none.")
FRAME_DROPPED: Final = Status("FRAME_DROPPED", 0x42, (_E,), "A frame was not sent or not completed.")
BLOCK_GONE: Final = Status("BLOCK_GONE", 0x43, (_R, _E), "A block asked for is no longer held.")
BUFFER_FULL: Final = Status("BUFFER_FULL", 0x44, (_R, _E), "The frame memory is full.")
BANDWIDTH: Final = Status("BANDWIDTH", 0x45, (_R,), "The streams do not fit the link.")
MOTOR_BLOCKED: Final = Status("MOTOR_BLOCKED", 0x46, (_R, _E), "A motor does not move.")
RING_OWNED: Final = Status("RING_OWNED", 0x47, (_R,), "The user's hand has the control.")
RANGE_LIMIT: Final = Status("RANGE_LIMIT", 0x48, (_R, _E), "Legal on the wire, beyond what this module can do.")
UNSPECIFIED: Final = Status("UNSPECIFIED", 0xFF, (_R, _E), "No other code fits. May appear in no passing run.")

STATUSES: Final = tuple(x for x in list(globals().values()) if isinstance(x, Status))

# Every request may be answered with these, whatever its type.
GENERAL: Final = (
    OK, BUSY, CANCELLED, TIMEOUT, NO_MEMORY, NOT_SUPPORTED, BAD_LENGTH, BAD_VALUE, BAD_STATE, BAD_VERSION,
)  # fmt: skip
