"""Sealed bundles: what is signed, what is refused, and with which reason.

Plan: what is sealed · what was changed · what was changed and signed again · what nobody sealed · the command line ·
answers that were recorded.
"""

import base64
import gzip
import json
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from hypothesis import given, settings
from hypothesis import strategies as st

from opalink.__main__ import cli
from opalink.conformance import Options, Plan, certify
from opalink.conformance.bundle.evidence import ORDER, REPORT, STATEMENT, TAPE, stretches
from opalink.conformance.bundle.journal import Journal, Line
from opalink.conformance.papers.documents import DocumentError
from opalink.conformance.sealed.envelope import generate, public_key
from opalink.conformance.sealed.sealing import Proof, sign, verify
from opalink.conformance.sealed.statement import RefusedError
from opalink.conformance.verdicts import Conclusion, Exit
from opalink.conformance.zoo import reciter
from opalink.conformance.zoo.roster import members

GOOD = "py:opalink.protocol.engine.module:Module"
BAD = members()["Breaking"].uri
NONCE = "00112233445566778899"
SELECTION = "MOD/WIRE/ORDER/BI-crc_version or MOD/WIRE/ORDER/BI-state_length"
FAILED = "MOD/WIRE/ORDER/BI-state_length"


@cache
def root() -> Path:
    """The keys, and a sealed bundle of a good module and of a bad one."""
    folder = Path(mkdtemp(prefix="opalink-seal-"))
    for key in ("vendor", "lab"):
        generate(folder / key)
    for name, uri in (("good", GOOD), ("bad", BAD)):
        done = run("certify", uri, "-k", SELECTION, "--nonce", NONCE, "--out", str(folder / name))
        assert done.exit_code == (Exit.CONFORMANT if name == "good" else Exit.NON_CONFORMANT), done.output
        sign(folder / name, folder / "vendor")
    return folder


@pytest.fixture(scope="module", autouse=True)
def cleaned() -> Any:
    yield
    if root.cache_info().currsize:
        shutil.rmtree(root())


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A copy of the good one, to be changed."""
    return shutil.copytree(root() / "good", tmp_path / "good")


def run(*args: str) -> Result:
    return CliRunner().invoke(cli, args)


def check(folder: Path, *keys: str) -> Proof:
    return verify(folder, [public_key(root() / f"{key}.pub") for key in keys or ("vendor",)], lambda *_: None)


def refused(folder: Path, why: str) -> DocumentError:
    """The refusal of a bundle, which is one sentence that matches."""
    with pytest.raises(DocumentError, match=why) as caught:
        check(folder)
    assert "\n" not in str(caught.value)
    return caught.value


def said(folder: Path) -> Any:
    return json.loads(base64.b64decode(json.loads((folder / STATEMENT).read_text())["payload"]))


def edited(folder: Path, name: str, edit: Callable[[Any], object]) -> None:
    """A file of JSON edited, as the suite itself would have written it."""
    value = json.loads((folder / name).read_text())
    edit(value)
    (folder / name).write_bytes(msgspec.json.format(msgspec.json.encode(value), indent=1) + b"\n")


def again(folder: Path) -> None:
    """Signed again, with the same key."""
    (folder / STATEMENT).unlink()
    sign(folder, root() / "vendor")


# ── What is sealed ───────────────────────────────────────────────────────────────────────────────────


def test_a_sealed_bundle_proves_its_verdicts() -> None:
    proof = check(root() / "good")
    assert proof.derived
    assert proof.exit == Exit.CONFORMANT


def test_a_failure_is_sealed_and_proved_like_anything_else() -> None:
    proof = check(root() / "bad")
    assert proof.derived
    assert proof.exit == Exit.NON_CONFORMANT
    assert FAILED in proof.statement.predicate.failed_tests


def test_the_statement_says_what_was_judged_how_and_by_whom() -> None:
    statement = said(root() / "good")
    report = json.loads((root() / "good" / REPORT).read_text())
    campaign = statement["predicate"]["urn:opalink:campaign:1"]
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == "https://in-toto.io/attestation/test-result/v0.1"
    assert statement["subject"][0]["digest"]["sha256"] == report["bound"]["digest"]
    assert campaign["firmware"] == "device"
    assert statement["predicate"]["result"] == "PASSED"
    assert len(statement["predicate"]["passedTests"]) == report["summary"]["pass"] == 2
    for name in ("plane", "clock", "level", "plan", "nonce", "seed", "role", "selection", "verdict"):
        assert campaign[name] == report[name], name
    assert campaign["adapter"] == report["iut"]
    assert campaign["nonce"] == NONCE


def test_a_selection_is_named_and_is_no_certificate_of_a_level() -> None:
    campaign = check(root() / "good").statement.predicate.campaign
    assert campaign.selection == SELECTION
    assert campaign.level == ""


def test_the_signature_is_that_of_dsse() -> None:
    envelope = json.loads((root() / "good" / STATEMENT).read_text())
    payload = base64.b64decode(envelope["payload"])
    kind = envelope["payloadType"].encode()
    sealed = b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)  # as its specification writes it
    key: Any = load_pem_public_key((root() / "vendor.pub").read_bytes())
    key.verify(base64.b64decode(envelope["signatures"][0]["sig"]), sealed)


def test_a_laboratory_signs_beside_the_vendor(bundle: Path) -> None:
    sign(bundle, root() / "lab")
    assert len(check(bundle, "vendor", "lab").keys) == 2
    assert len(check(bundle, "lab").others) == 1


def test_a_digest_that_the_device_does_not_give_is_attested(bundle: Path, tmp_path: Path) -> None:
    edited(bundle, REPORT, lambda r: r["bound"].update(digest=""))
    image = tmp_path / "firmware.bin"
    image.write_bytes(b"image")
    (bundle / STATEMENT).unlink()
    assert sign(bundle, root() / "vendor").predicate.campaign.firmware == "unknown"
    assert sign(bundle, root() / "vendor", image).predicate.campaign.firmware == "attested"
    assert sign(bundle, root() / "lab").predicate.campaign.firmware == "attested"  # it signs the same statement


def test_another_digest_than_the_device_gives_is_not_attested(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "firmware.bin").write_bytes(b"another image")
    with pytest.raises(RefusedError, match="The device says that its image is"):
        sign(bundle, root() / "vendor", tmp_path / "firmware.bin")


def test_what_was_declared_and_what_was_waived_are_part_of_the_proof(tmp_path: Path) -> None:
    report = json.loads((root() / "bad" / REPORT).read_text())
    failed = next(t for t in report["tests"] if t["id"] == FAILED)
    waiver = {"id": "W-1", "test": FAILED, "verdict": "fail", "signature": failed["signature"]}
    lines = [f'{key} = "{value}"' for key, value in waiver.items()]
    lines += ['bug = "https://bugs.example.com/1"', "expires = 2999-01-01"]
    (tmp_path / "waivers.toml").write_text("\n".join(["waivers = 1", "[[waiver]]", *lines]))
    shutil.copy(root() / "bad" / "pics.toml", tmp_path / "pics.toml")
    given = ("--pics", str(tmp_path / "pics.toml"), "--waivers", str(tmp_path / "waivers.toml"))
    done = run("certify", BAD, "-k", FAILED, *given, "--out", str(tmp_path / "waived"))
    assert done.exit_code == Exit.KNOWN, done.output
    sign(tmp_path / "waived", root() / "vendor")
    proof = check(tmp_path / "waived")
    assert proof.derived
    assert proof.exit == Exit.KNOWN
    assert proof.statement.predicate.result == "WARNED"
    assert proof.statement.predicate.warned_tests == (FAILED,)


# ── What was changed ─────────────────────────────────────────────────────────────────────────────────


@cache
def names() -> list[str]:
    good = root() / "good"
    return sorted(p.relative_to(good).as_posix() for p in good.rglob("*") if p.is_file())


@cache
def copied() -> Path:
    return shutil.copytree(root() / "good", root() / "changed")


@given(st.data())
@settings(deadline=None)
def test_one_byte_changed_anywhere_is_refused(data: st.DataObject) -> None:
    path = copied() / data.draw(st.sampled_from(names()))
    was = path.read_bytes()
    at = data.draw(st.integers(0, len(was) - 1))
    path.write_bytes(was[:at] + bytes([was[at] ^ data.draw(st.integers(1, 255))]) + was[at + 1 :])
    try:
        if path.name == STATEMENT:
            refused(copied(), "no DSSE envelope|has not signed it|does not belong to what is sealed")
        else:
            refused(copied(), f"{path.name} was changed after it was sealed")
    finally:
        path.write_bytes(was)


def test_a_seal_that_means_the_same_and_is_written_otherwise_is_refused(bundle: Path) -> None:
    envelope = json.loads((bundle / STATEMENT).read_text())
    (bundle / STATEMENT).write_text(json.dumps(envelope))
    refused(bundle, "no DSSE envelope as it was sealed")


@pytest.mark.parametrize("name", [REPORT, TAPE, ORDER, "junit.xml", "environment.json"])
def test_a_file_less_is_refused(bundle: Path, name: str) -> None:
    (bundle / name).unlink()
    refused(bundle, f"The bundle lacks {name}, which was sealed")


def test_a_file_more_is_refused(bundle: Path) -> None:
    (bundle / "captures").mkdir(exist_ok=True)
    (bundle / "captures" / "more.pcapng").write_bytes(b"")
    refused(bundle, "The bundle holds captures/more.pcapng, which was not sealed")


def test_a_link_in_a_bundle_is_not_followed(bundle: Path) -> None:
    (bundle / "link").symlink_to("/dev/zero")
    refused(bundle, "'link', which is neither a file nor a folder")


def test_another_key_is_refused() -> None:
    with pytest.raises(DocumentError, match="has not signed it"):
        check(root() / "good", "lab")


def test_a_bundle_without_a_seal_has_nothing_to_verify(bundle: Path) -> None:
    (bundle / STATEMENT).unlink()
    assert refused(bundle, "has no statement.dsse").exit == Exit.NOTHING_RAN


# ── What was changed and signed again ────────────────────────────────────────────────────────────────


def _pass(report: Any) -> None:
    """A failure made a pass in every place of a report that says so."""
    test = next(t for t in report["tests"] if t["id"] == FAILED)
    test.update(verdict="pass", charged=[], expected="", actual="", signature="")
    report["summary"].update({"pass": 2, "fail": 0})
    report.update(verdict="conformant", exit=0)


def test_an_edited_verdict_is_not_reproducible_whoever_signs(tmp_path: Path) -> None:
    bundle = shutil.copytree(root() / "bad", tmp_path / "bad")
    edited(bundle, REPORT, _pass)
    again(bundle)
    assert json.loads((bundle / REPORT).read_text())["verdict"] == "conformant"
    refused(bundle, f"not reproducible: of {FAILED} the report says PASS, and the tape gives FAIL")


def test_an_edited_word_of_a_report_is_not_reproducible(bundle: Path) -> None:
    edited(bundle, REPORT, lambda r: r["warnings"].append("all is well"))
    again(bundle)
    refused(bundle, "not reproducible: the report's warnings is not what the tape gives")


@pytest.mark.parametrize("name", ["report.html", "junit.xml", "pics.toml", "results.jsonl"])
def test_an_edited_file_that_follows_from_the_tape_is_not_reproducible(bundle: Path, name: str) -> None:
    (bundle / name).write_bytes((bundle / name).read_bytes() + b"\n")
    again(bundle)
    refused(bundle, f"not reproducible: {name} is not what the tape gives")


def test_a_file_that_no_campaign_leaves_is_refused_though_it_was_signed(bundle: Path) -> None:
    (bundle / "certificate.pdf").write_bytes(b"")
    again(bundle)
    refused(bundle, "not reproducible: certificate.pdf is not what the tape gives")


def test_a_test_less_is_refused(bundle: Path) -> None:
    def without(report: Any) -> None:
        report["tests"].pop()
        report["summary"]["pass"] -= 1

    edited(bundle, REPORT, without)
    again(bundle)
    refused(bundle, "The report lacks MOD/WIRE/ORDER/BI-state_length: its selection has 2 tests")


def test_a_summary_that_counts_otherwise_is_refused(bundle: Path) -> None:
    edited(bundle, REPORT, lambda r: r["summary"].update(fail=1))
    again(bundle)
    refused(bundle, "summary does not count its tests")


def test_another_nonce_than_that_of_the_tape_is_refused(bundle: Path) -> None:
    edited(bundle, ORDER, lambda o: o["options"].update(nonce="ff" * 10))
    edited(bundle, REPORT, lambda r: r.update(nonce="ff" * 10))
    again(bundle)
    refused(bundle, "not reproducible: connection 1, turn [0-9]+: the tester sends other bytes than are recorded")


@pytest.mark.parametrize(
    ("edit", "why"),
    [
        (lambda o: o["options"].update(seed=2**70), "the order cannot be carried out|not of its shape"),
        (lambda o: o["options"].update(selection="not " * 100_000), "not reproducible"),
        (lambda o: o["options"].update(patience=-1), "not reproducible"),
        (lambda o: o.update(pics="pics = 2"), "not reproducible: The PICS"),
        (lambda o: o.update(waivers="]"), "not reproducible: The list of waivers"),
        (lambda o: o.update(more=1), "order.json is not of its shape"),
    ],
)
def test_an_order_that_nobody_could_have_given_is_one_sentence(
    bundle: Path, edit: Callable[[Any], object], why: str
) -> None:
    edited(bundle, ORDER, edit)
    again(bundle)
    refused(bundle, why)


def test_an_order_starts_no_program(bundle: Path, tmp_path: Path) -> None:
    made = tmp_path / "made"
    attached = {"uri": GOOD, "clock": "auto", "plane": "auto", "patience": 10.0}
    operations = dict.fromkeys(("attach", "detach"), f"touch {made}")
    edited(bundle, ORDER, lambda o: o["options"].update(pixit={"pixit": 1, "iut": attached, "operations": operations}))
    edited(bundle, ORDER, lambda o: o.update(iut=f"stdio:touch {made}"))
    again(bundle)
    refused(bundle, "not reproducible")
    assert not made.exists()


@given(st.data())
@settings(max_examples=10, deadline=None)
def test_a_tape_that_is_cut_off_is_refused_though_it_was_signed(data: st.DataObject) -> None:
    bundle = shutil.copytree(root() / "good", root() / "cut", dirs_exist_ok=True)
    whole = (root() / "good" / TAPE).read_bytes()
    (bundle / TAPE).write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    again(bundle)
    refused(bundle, "not reproducible: ")


def test_a_tape_that_unpacks_to_more_than_a_memory_holds_is_refused_at_once(bundle: Path) -> None:
    whole = gzip.decompress((bundle / TAPE).read_bytes())
    with gzip.open(bundle / TAPE, "wb", 1) as stream:
        stream.write(whole)
        for _ in range(256):
            stream.write(bytes(1 << 20))
    again(bundle)
    refused(bundle, "not reproducible: The tape is damaged: block")


# ── What nobody sealed ───────────────────────────────────────────────────────────────────────────────


def test_another_suite_cannot_tell(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("opalink.conformance.sealed.statement.sources", lambda: "0" * 64)
    from opalink.conformance.sealed.statement import suite

    suite.cache_clear()
    try:
        assert refused(bundle, "only the suite that judged can verify it").exit == Exit.INCONCLUSIVE
    finally:
        suite.cache_clear()


def test_in_real_time_the_verdicts_are_attested_and_not_proved(tmp_path: Path) -> None:
    out = str(tmp_path / "real")
    run("certify", GOOD, "-k", "MOD/WIRE/ORDER/BI-crc_version", "--clock", "real", "--out", out)
    sign(tmp_path / "real", root() / "vendor")
    proof = check(tmp_path / "real")
    assert not proof.derived
    assert proof.exit == Exit.INCONCLUSIVE
    assert any(sentence.startswith("Every verdict: ") for sentence in proof.attested)


def test_a_campaign_that_was_cut_off_keeps_the_tape_of_every_stretch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else what a vendor shows is the last stretch alone."""
    out = tmp_path / "real"
    args = ("certify", GOOD, "-k", "MOD/WIRE/ORDER/BI-crc", "--clock", "real", "--out", str(out))
    write, written = Journal._write, []

    def until_the_power_fails(journal: Journal, line: Line) -> None:
        write(journal, line)
        written.append(line)
        if len(written) == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(Journal, "_write", until_the_power_fails)
    assert run(*args).exit_code == Exit.NON_CONFORMANT  # click's for an interrupt
    first = (out / TAPE).read_bytes()
    assert run(*args, "--resume").exit_code == Exit.CONFORMANT
    assert [path.name for path in stretches(out)] == ["tape-01.pcapng.gz"]
    assert stretches(out)[0].read_bytes() == first
    sign(out, root() / "vendor")
    assert "That it was cut off once, and what came before is on tape-01.pcapng.gz." in check(out).attested
    assert run(*args).exit_code == Exit.CONFORMANT  # another campaign, in the same place
    assert stretches(out) == []


def test_a_bundle_without_a_tape_cannot_be_sealed(bundle: Path) -> None:
    (bundle / TAPE).unlink()
    with pytest.raises(RefusedError, match=r"no tape\.pcapng\.gz, without which nobody can verify it"):
        sign(bundle, root() / "vendor")


# ── The command line ─────────────────────────────────────────────────────────────────────────────────


def test_from_a_key_to_a_proof(bundle: Path, tmp_path: Path) -> None:
    key = tmp_path / "key"
    assert run("keygen", str(key)).exit_code == Exit.CONFORMANT
    assert key.stat().st_mode & 0o777 == 0o600
    (bundle / STATEMENT).unlink()
    assert run("sign", str(bundle), "--key", str(key)).exit_code == Exit.CONFORMANT
    shown = run("verify", str(bundle), "--pub", f"{key}.pub")
    assert shown.exit_code == Exit.CONFORMANT
    assert "2 verdicts derived again from the tape" in shown.output
    assert "so this is no certificate" in shown.output
    facts = json.loads(run("verify", str(bundle), "--pub", f"{key}.pub", "--json").output)
    assert facts["verdict"] == "conformant"
    assert facts["derived"] is True
    assert facts["nonce"] == NONCE


@pytest.mark.parametrize(
    ("args", "code", "why"),
    [
        (("verify", "{bundle}", "--pub", "{root}/lab.pub"), Exit.NON_CONFORMANT, "has not signed it"),
        (("verify", "{bundle}", "--pub", "{root}/vendor"), Exit.USAGE, "holds no public Ed25519 key"),
        (("verify", "{bundle}", "--pub", "{root}/none"), Exit.NOTHING_RAN, "cannot be read"),
        (("verify", "{root}/none", "--pub", "{root}/vendor.pub"), Exit.NOTHING_RAN, "has no statement.dsse"),
        (("sign", "{bundle}", "--key", "{root}/vendor.pub"), Exit.USAGE, "holds no private Ed25519 key"),
        (("sign", "{root}/none", "--key", "{root}/vendor"), Exit.NOTHING_RAN, "has no report.json"),
        (("keygen", "{root}/vendor"), Exit.USAGE, "already"),
        (("certify", GOOD, "--nonce", "0011"), Exit.USAGE, "8 to 64 bytes"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(bundle: Path, args: tuple[str, ...], code: Exit, why: str) -> None:
    done = run(*(arg.format(bundle=bundle, root=root()) for arg in args))
    assert done.exit_code == code, done.output
    assert why in done.output
    assert "Traceback" not in done.output


def test_a_key_with_a_passphrase_is_one_sentence(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.serialization import (
        BestAvailableEncryption,
        Encoding,
        PrivateFormat,
        load_pem_private_key,
    )

    key = load_pem_private_key((root() / "vendor").read_bytes(), None)
    kept = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    (tmp_path / "kept").write_bytes(kept)
    done = run("sign", str(root() / "good"), "--key", str(tmp_path / "kept"))
    assert done.exit_code == Exit.USAGE
    assert "protected by a passphrase" in done.output


# ── Answers that were recorded ───────────────────────────────────────────────────────────────────────


def test_recorded_answers_pass_under_the_nonce_that_they_were_recorded_under_and_no_other() -> None:
    uri = f"py:{reciter.__name__}:Reciter"

    def score(nonce: str) -> tuple[Conclusion, float]:
        done = certify(uri, Options(Plan.QUICK, selection=reciter.SELECTION, nonce=nonce))
        return done.verdict, done.summary["pass"] / len(done.results)

    assert score(reciter.NOTED) == (Conclusion.CONFORMANT, 1)
    for nonce in ("", NONCE):
        verdict, passed = score(nonce)
        assert verdict is Conclusion.NON_CONFORMANT
        assert passed < 1 / 4  # what is the same to everybody may stand at the right place by chance


def test_under_a_nonce_tests_are_executed_in_another_order_and_reported_in_the_same() -> None:
    order: list[str] = []
    done = certify(GOOD, Options(selection=reciter.SELECTION, nonce=NONCE), lambda r, *_: order.append(r.id))
    plain = certify(GOOD, Options(selection=reciter.SELECTION))
    assert [r.id for r in done.results] == [r.id for r in plain.results]
    assert sorted(order) == sorted(r.id for r in done.results)
    assert order != [r.id for r in done.results]
