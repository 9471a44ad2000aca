"""What stands for the attach machines where a model has none: a session that begins, waits, goes on and ends.

Plan: a session · a link that is lost · what a user wants.
"""

from typing import Final

from opalink.spec.model_form import BOTH, PHONE, Happening

SESSION: Final = (
    Happening("a session begins", "session == 0 && !phone_known && !module_known", "session = 1", "must"),
    Happening("the session ends", "session && phone_known == session && module_known == session", "session = 0"),
    Happening(
        "sees the session begin",
        "session == 1 && my_known == 0",
        "my_known = 1; raise my.session_open",
        "at once",
        BOTH,
    ),
    Happening(
        "sees the session end",
        "session == 0 && my_known",
        "my_known = 0; raise my.session_closed; drop my; drop its",
        "at once",
        BOTH,
    ),
)
WAITING: Final = (
    Happening("the link is lost", "session == 1 && phone_known == 1 && module_known == 1", "session = 2"),
    Happening("the session goes on", "session == 2 && phone_known == 2 && module_known == 2", "session = 1", "must"),
    Happening(
        "sees the link lost", "session == 2 && my_known == 1", "my_known = 2; raise my.link_lost", "at once", BOTH
    ),
    Happening(
        "sees the session go on",
        "session == 1 && my_known == 2",
        "my_known = 1; raise my.session_resumed; raise my.session_open",
        "at once",
        BOTH,
    ),
)


def wants(name: str, event: str, wish: str, when: str = "my_known == 1") -> Happening:
    return Happening(name, when, f"my_wish = {wish}; raise my.{event}; my_wish = 0", "never", PHONE)
