"""What several machines hear: the lines, and the local events that one machine raises for others, each told once.

A machine takes them into its vocabulary by name, `terms("power_off")`; what it alone hears it tells itself.

Plan: the events.
"""

from typing import Final

# ── The events ───────────────────────────────────────────────────────────────────────────────────────

EVENTS: Final = {
    # Contacts and light.
    "power_on": "The contacts are closed and carry power.",
    "power_off": "The contacts have opened or carry no power.",
    "light_on": "The peer's light is seen: a restart pulse, or more.",
    "light_off": "The peer's light is no longer seen.",
    # The session.
    "session_open": "A session has begun, or was resumed.",
    "session_resumed": "A session that a lost link interrupted goes on.",
    "session_closed": "The session has ended and cannot be resumed.",
    "detaching": "A removal has been announced: what is pending is finished and nothing begun.",
    "auth_finished": "The phone has come to a conclusion, or the module offers no proof.",
    # The link.
    "beaconing": "This side has just sent BEACON and waits for light.",
    "link_up": "The link has come to L0.",
    "link_down": "The link cannot come to L0, or was forced out of it.",
    "link_lost": "The link is lost with the contacts closed; the session waits.",
    "link_reset": "The link is to start anew.",
    # The side as a whole.
    "fault": "This side has a fault that only a reset or a loss of power ends.",
    "reboot": "This side starts anew, as after a loss of power.",
}
