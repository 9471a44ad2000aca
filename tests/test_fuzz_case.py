"""The case: its text, and the bytes that it stands for.

Plan: text and back · what is no case · bytes.
"""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opalink.fuzz.case import Case, parse, text
from opalink.fuzz.mutator import Mutator
from opalink.fuzz.packets import packet_bytes
from opalink.fuzz.steps import RESOURCES, CaseError, Delay, Reach, Send
from opalink.protocol import codec, strategies
from opalink.protocol.ir.load import catalogue
from opalink.spec.form import Form

SUCCESS = {s.value for s in catalogue().statuses if s.success}
NOTHING = dict.fromkeys(RESOURCES, 0)
EXAMPLE = """opalink-case 1
seed 7
reach STREAMING
send PROP_SET request group=0 lane=sideband {"settings":[[257,1000000]]}
again 1
delay 20000000
raw laser 1002aabb
lane_down laser
reset warm
"""

# ── Text and back ────────────────────────────────────────────────────────────────────────────────────


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1 << 32))
def test_every_case_comes_back_from_its_text(seed: int) -> None:
    mutator = Mutator(seed)
    one, two = mutator.fresh(), mutator.fresh()
    for case in (one, mutator.mutated(one, two), mutator.mutated(mutator.mutated(two, one), two)):
        assert parse(text(case)) == case
        assert text(parse(text(case))) == text(case)


def test_the_bounded_suite_comes_back_from_its_text() -> None:
    for case in list(Mutator(1).bounded())[::7]:
        assert parse(text(case)) == case


def test_comments_and_blank_lines_say_nothing() -> None:
    wanted = parse("opalink-case 1\nseed 3\nreach READY\ndelay 5\n")
    assert parse("# why\n\nopalink-case 1\nseed 3\n  reach READY\n# then\ndelay 5\n") == wanted
    assert wanted == Case((Reach("READY"), Delay(5)), 3)


# ── What is no case ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("reach NOWHERE", "no state"),
        ("fly away", "no step"),
        ("send STATE_GET", "type and form"),
        ("send STATE_GET greeting", "no form"),
        ("send NO_SUCH request", "no packet type"),
        ("send STATE_GET request colour=1", "no word"),
        ("send STATE_GET request txn=x", "no number"),
        ("send STATE_GET request txn=1 txn=2", "twice"),
        ("send PROP_GET request {", "no JSON"),
        ('send PROP_GET request {"nothing":1}', "'nothing'"),
        ('send PROP_GET request {"wanted":7}', "do not suit"),
        ('send PROP_GET request {"wanted":"$secret"}', "no resource"),
        ('send PROP_GET request payload=00 {"wanted":[]}', "not both"),
        ("send PROP_GET request " + '{"wanted":' * 5000, "Line 2"),
        ("raw air 00", "no lane"),
        ("raw laser 0", "hexadecimal"),
        ("delay -1", "no number"),
        ("delay 99999999999999999999", "no number"),
        ("again 0", "no number"),
        ("lane_down sun", "no value"),
    ],
)
def test_what_is_no_case_gets_one_sentence(body: str, words: str) -> None:
    with pytest.raises(CaseError, match=r".") as caught:
        parse(f"opalink-case 1\n{body}\n")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("source", ["", "seed 1", "opalink-case 2\n", "opalink-case 1\n" + "delay 1\n" * 300])
def test_a_case_begins_with_its_version_and_ends_within_its_limit(source: str) -> None:
    with pytest.raises(CaseError):
        parse(source)


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 1 << 32), st.integers(1, 40))
def test_a_damaged_text_is_a_case_or_gets_a_sentence(seed: int, damages: int) -> None:
    random, words = Random(seed), list(EXAMPLE)
    for _ in range(damages):
        words[random.randrange(len(words))] = random.choice('{}[]"$=- 0a\n:')
    try:
        case = parse("".join(words))
    except CaseError:
        return
    assert parse(text(case)) == case


# ── Bytes ────────────────────────────────────────────────────────────────────────────────────────────


@settings(max_examples=60, deadline=None)
@given(strategies.packets(catalogue()))
def test_the_fields_of_a_packet_are_its_bytes(data: bytes) -> None:
    packet = codec.decode(data)
    name = catalogue().by_code[packet.type].name
    form = Form.EVENT if not packet.rsp else Form.RESPONSE if packet.status in SUCCESS else Form.ERROR
    form = Form.REQUEST if packet.txn and not packet.rsp else form
    kept = ("vc", "instance", "status", "txn", "t_ns", "more", "spare0", "spare2", "rsp")
    header = tuple(sorted((f, int(getattr(packet, f))) for f in kept))
    value = codec.plain(packet.body)
    send = (
        Send(name, form, header=header, payload=value)
        if isinstance(value, bytes)
        else Send(name, form, value, None, header)
    )
    assert packet_bytes(send, 1, 0, NOTHING) == data


def test_length_and_crc_follow_unless_they_are_given() -> None:
    plain = packet_bytes(Send("STATE_GET", Form.REQUEST), 5, 0, NOTHING)
    assert codec.decode(plain).txn == 5
    lying = packet_bytes(Send("STATE_GET", Form.REQUEST, header=(("crc", 1), ("length", 9))), 5, 0, NOTHING)
    assert lying[4:6] == b"\x09\0"
    assert lying[-4:] == b"\x01\0\0\0"


def test_resources_stand_for_what_a_greeting_brought() -> None:
    send = Send("HELLO", Form.REQUEST, {"resume_session": "$session", "last_phone_nonce": "$phone_nonce"})
    made = codec.decode(packet_bytes(send, 1, 0, {**NOTHING, "$session": 77, "$phone_nonce": 88})).body
    assert (made.resume_session, made.last_phone_nonce) == (77, 88)
