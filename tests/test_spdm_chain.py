"""Certificate chains: which lead to a key that may answer, and why the others do not.

Plan: good chains · frames · paths · leaves · mutations.
"""

import struct
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given, settings
from hypothesis import strategies as st

from opalink.protocol.spdm import Asym, ChainError, Hash, build_chain, verify_chain
from opalink.protocol.spdm.algorithms import asym_of
from opalink.protocol.spdm.chain import REQUESTER_AUTH, RESPONDER_AUTH
from tests.spdm_material import CURVES, LEAF, NOW, P256, P384, Chain, Extensions, ca, certify, key, usage

HASH, ASYM = Hash.SHA_256, Asym.ECDSA_P256
ROOT, ISSUER, END = (key(label, ASYM) for label in ("root", "issuer", "leaf"))
OTHER = key("another", ASYM)


def leaf(changes: dict[str, Any] | None = None, **more: Any) -> x509.Certificate:
    """The leaf with some extensions changed, or with those left out whose change is None."""
    extensions = {n: e for n, e in {**LEAF, **(changes or {})}.items() if e is not None}
    return certify("leaf", END, "issuer", ISSUER, extensions, **more)


def issuer(extensions: Extensions | None = None, **more: Any) -> x509.Certificate:
    return certify("issuer", ISSUER, "root", ROOT, ca(0) if extensions is None else extensions, **more)


def judge(
    *certificates: x509.Certificate, roots: Sequence[x509.Certificate] = (P256.root,), alias: bool = False
) -> ec.EllipticCurvePublicKey:
    return verify_chain(build_chain(certificates, HASH), HASH, ASYM, roots, NOW, alias=alias)


def refused(*certificates: x509.Certificate, **more: Any) -> str:
    with pytest.raises(ChainError) as caught:
        judge(*certificates, **more)
    return str(caught.value)


# ── Good chains ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("hash_", list(Hash))
@pytest.mark.parametrize(("chain", "asym"), [(P256, Asym.ECDSA_P256), (P384, Asym.ECDSA_P384)])
def test_a_good_chain_leads_to_its_leaf_s_key(chain: Chain, asym: Asym, hash_: Hash) -> None:
    found = verify_chain(build_chain(chain.certificates, hash_), hash_, asym, [P256.root, P384.root], NOW)
    assert found == chain.key.public_key()


def test_the_root_may_be_left_out() -> None:
    root, *rest = (c.public_bytes(Encoding.DER) for c in P256.certificates)
    body = HASH.digest(root) + b"".join(rest)
    chain = struct.pack("<HH", 4 + len(body), 0) + body
    assert verify_chain(chain, HASH, ASYM, [P256.root], NOW) == P256.key.public_key()


def test_the_root_may_issue_the_leaf() -> None:
    direct = certify("leaf", END, "root", ROOT, LEAF)
    assert judge(P256.root, direct) == END.public_key()


@pytest.mark.parametrize(
    "changes",
    [
        {"purpose": None},
        {"purpose": (x509.ExtendedKeyUsage([RESPONDER_AUTH, REQUESTER_AUTH]), False)},
        {"purpose": (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), True)},
        {"constraints": None},
        {"usage": (usage("digital_signature", "key_agreement"), False)},
        {"spdm": None},
    ],
    ids=["no purpose", "both purposes", "another purpose", "no constraints", "more usages", "no SPDM extension"],
)
def test_a_leaf_has_what_it_likes_beside_what_it_must(changes: dict[str, Any]) -> None:
    assert judge(P256.root, issuer(), leaf(changes)) == END.public_key()


# ── Frames ───────────────────────────────────────────────────────────────────────────────────────────

GOOD = build_chain(P256.certificates, HASH)


@pytest.mark.parametrize(
    ("chain", "reason"),
    [
        (b"", "no room"),
        (GOOD[:35], "no room"),
        (GOOD[:-1], "says that it has"),
        (GOOD + b"\0", "says that it has"),
        (struct.pack("<HH", 36, 0) + GOOD[4:36], "no certificate"),
        (struct.pack("<HH", 37, 0) + GOOD[4:36] + b"\x30", "is no certificate"),
        (struct.pack("<HH", 41, 0) + GOOD[4:36] + b"\x30\x03\x02\x01\x00", "malformed"),
        (struct.pack("<HH", 40, 0) + GOOD[4:36] + b"\x30\x80\x00\x00", "is no certificate"),
        (struct.pack("<HH", 40, 0) + GOOD[4:36] + b"\x30\x84\xff\xff", "is no certificate"),
        (struct.pack("<HH", 40, 0) + GOOD[4:36] + b"\x31\x02\x00\x00", "is no certificate"),
        (struct.pack("<HH", 36 + 4 * 9, 0) + GOOD[4:36] + b"\x30\x02\x05\x00" * 9, "malformed"),
    ],
    ids=[  # certificates are new each time: left to themselves, names would differ from process to process
        "empty",
        "short",
        "cut",
        "longer",
        "bare",
        "one byte",
        "no ASN.1",
        "indefinite",
        "cut length",
        "a set",
        "many",
    ],
)
def test_a_frame_that_is_wrong_is_refused(chain: bytes, reason: str) -> None:
    with pytest.raises(ChainError, match=reason):
        verify_chain(chain, HASH, ASYM, [P256.root], NOW)


def test_more_certificates_than_a_path_may_have_are_refused() -> None:
    assert "follow the first" in refused(*[P256.root] * 10)


def test_a_chain_that_cannot_be_carried_is_not_built() -> None:
    with pytest.raises(ValueError, match="at least one"):
        build_chain([], HASH)
    with pytest.raises(ValueError, match="most that SPDM can carry"):
        build_chain(P256.certificates * 100, HASH)


# ── Paths ────────────────────────────────────────────────────────────────────────────────────────────


def test_a_root_that_is_not_trusted_is_refused() -> None:
    assert "not one that is trusted" in refused(*P256.certificates, roots=[])
    assert "not one that is trusted" in refused(*P256.certificates, roots=[P384.root])
    same_name = certify("root", OTHER, "root", OTHER, ca())
    assert "not one that is trusted" in refused(same_name, *P256.certificates[1:])


def test_a_chain_of_the_root_alone_is_refused() -> None:
    assert "no certificate but the root" in refused(P256.root)


@pytest.mark.parametrize(
    "certificates",
    [
        (P256.root, certify("issuer", ISSUER, "root", OTHER, ca(0)), leaf()),
        (P256.root, issuer(), certify("leaf", END, "issuer", OTHER, LEAF)),
        (P256.root, issuer(), certify("leaf", END, "nobody", ISSUER, LEAF)),
        (P256.root, leaf()),
        (P256.root, issuer(until=datetime(2026, 5, 1, tzinfo=UTC)), leaf()),
        (P256.root, issuer(), leaf(until=datetime(2026, 5, 1, tzinfo=UTC))),
        (P256.root, issuer(LEAF), leaf()),
        (P256.root, issuer({}), leaf()),
        (P256.root, issuer({**ca(0), "usage": (usage("digital_signature"), True)}), leaf()),
        (
            P256.root,
            issuer(),
            certify("middle", OTHER, "issuer", ISSUER, ca()),
            certify("leaf", END, "middle", OTHER, LEAF),
        ),
        (P256.root, issuer({**ca(0), "unknown": (LEAF["spdm"][0], True)}), leaf()),
    ],
    ids=[
        "the issuer is signed by another",
        "the leaf is signed by another",
        "the names do not follow",
        "the issuer is missing",
        "the issuer has expired",
        "the leaf has expired",
        "the issuer is a leaf",
        "the issuer says nothing of itself",
        "the issuer may not issue",
        "the path is too long",
        "a critical extension that nobody knows",
    ],
)
def test_a_path_that_does_not_hold_is_refused(certificates: tuple[x509.Certificate, ...]) -> None:
    assert "does not hold" in refused(*certificates)


@pytest.mark.parametrize(
    "order",
    [(0, 2, 1), (1, 0, 2), (0, 1, 1, 2), (0, 0, 1, 2), (2, 1, 0)],
    ids=["leaf first", "root second", "issuer twice", "root twice", "backwards"],
)
def test_certificates_out_of_order_are_refused(order: tuple[int, ...]) -> None:
    certificates = [P256.certificates[i] for i in order]
    root = P256.root.public_bytes(Encoding.DER)
    body = HASH.digest(root) + b"".join(c.public_bytes(Encoding.DER) for c in certificates)
    with pytest.raises(ChainError):
        verify_chain(struct.pack("<HH", 4 + len(body), 0) + body, HASH, ASYM, [P256.root], NOW)


def test_a_certificate_beside_the_path_is_refused() -> None:
    beside = certify("beside", OTHER, "root", ROOT, ca())
    assert "order of their signatures" in refused(P256.root, beside, issuer(), leaf())


# ── Leaves ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"constraints": (x509.BasicConstraints(ca=True, path_length=None), True)}, "is a CA's"),
        ({"usage": None}, "missing required extension"),
        ({"usage": (usage("key_agreement"), True)}, "may not sign"),
        ({"purpose": (x509.ExtendedKeyUsage([REQUESTER_AUTH]), True)}, "a requester's"),
        ({"spdm": (LEAF["spdm"][0], True)}, "critical"),
    ],
    ids=["a CA", "no usage", "no signing", "a requester's", "a critical SPDM extension"],
)
def test_a_leaf_that_may_not_answer_is_refused(changes: dict[str, Any], reason: str) -> None:
    assert reason in refused(P256.root, issuer(), leaf(changes))


def test_a_leaf_that_the_module_made_may_not_claim_to_be_the_hardware() -> None:
    assert "hardware's identity" in refused(P256.root, issuer(), leaf(), alias=True)
    assert judge(P256.root, issuer(), leaf({"spdm": None}), alias=True) == END.public_key()


def test_a_leaf_s_key_is_of_the_algorithm_that_was_agreed_on() -> None:
    other = key("leaf", Asym.ECDSA_P384)
    assert "ECDSA_P256" in refused(P256.root, issuer(), certify("leaf", other, "issuer", ISSUER, LEAF))


def test_keys_that_are_not_spoken_have_no_algorithm() -> None:
    assert asym_of(ec.generate_private_key(ec.SECP521R1()).public_key()) is None
    assert asym_of(rsa.generate_private_key(65_537, 2048).public_key()) is None
    assert {asym_of(key("x", asym).public_key()) for asym in CURVES} == set(Asym)


# ── Mutations ────────────────────────────────────────────────────────────────────────────────────────


def test_a_byte_that_is_changed_never_leads_to_another_key() -> None:
    """Two bytes are reserved, and the library does not mind how many bits of a signature's last byte are said to be
    unused; those chains lead to the same key, and have another digest than the one that was signed."""
    believed = []
    for i in range(len(GOOD)):
        for flip in (0x01, 0xFF):
            chain = bytearray(GOOD)
            chain[i] ^= flip
            try:
                assert verify_chain(bytes(chain), HASH, ASYM, [P256.root], NOW) == P256.key.public_key()
            except ChainError:
                continue
            believed.append(i)
    assert {2, 3} <= set(believed)
    assert len(set(believed)) <= 5


@given(st.data())
@settings(max_examples=300)
def test_what_is_no_chain_is_refused(data: st.DataObject) -> None:
    at = data.draw(st.integers(36, len(GOOD)))
    tail = data.draw(st.binary(max_size=200) | st.just(GOOD[at + 1 :]) | st.just(GOOD[36:at]))
    chain = GOOD[:at] + tail
    if chain == GOOD:
        return
    with pytest.raises(ChainError):
        verify_chain(len(chain).to_bytes(2, "little") + chain[2:], HASH, ASYM, [P256.root], NOW)


@given(st.binary(max_size=400))
def test_noise_is_no_chain(noise: bytes) -> None:
    with pytest.raises(ChainError):
        verify_chain(noise, HASH, ASYM, [P256.root], NOW)
