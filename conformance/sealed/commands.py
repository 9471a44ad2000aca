"""`opalink keygen`, `opalink sign` and `opalink verify`: a bundle that others can believe.

Plan: keygen · sign · verify.
"""

import json
import sys
from pathlib import Path

import click

from opalink.conformance.bundle.report import printable
from opalink.conformance.commands import bar, sentences
from opalink.conformance.sealed.sealing import Proof

_FILE = click.Path(dir_okay=False, path_type=Path)
_BUNDLE = click.Path(file_okay=False, path_type=Path)

# ── Keygen ───────────────────────────────────────────────────────────────────────────────────────────


@click.command()
@click.argument("out", type=_FILE)
def keygen(out: Path) -> None:
    """Make an Ed25519 key to sign bundles with: OUT for you alone, and OUT.pub for everybody.

    Both are PEM files. Neither is overwritten.
    """
    from opalink.conformance.sealed.envelope import generate

    with sentences():
        public = generate(out)
    click.echo(f"Wrote {out}, which is secret, and {public}.")


# ── Sign ─────────────────────────────────────────────────────────────────────────────────────────────


@click.command()
@click.argument("bundle", type=_BUNDLE, default="out/certify")
@click.option("--key", type=_FILE, required=True, help="The private key, as keygen makes it.")
@click.option("--firmware", type=_FILE, help="The image that was judged, where the device gives no digest of it.")
def sign(bundle: Path, key: Path, firmware: Path | None) -> None:
    """Seal the BUNDLE that certify left, whatever its verdict is.

    The seal is an in-toto test-result statement in a DSSE envelope. It names the firmware, the adapter, the plane, the
    clock, the level or the selection, the laboratory's nonce, the suite, and the digest of every file. A bundle that is
    sealed already gets another signature.
    """
    from opalink.conformance.bundle.evidence import STATEMENT
    from opalink.conformance.sealed.sealing import sign as seal

    with sentences():
        made = seal(bundle, key, firmware)
    said = made.predicate.campaign
    subject = made.subject[0]
    click.echo(printable(f"Sealed {subject.name} ({subject.digest.sha256[:16]}): {said.verdict.upper()}"))
    click.echo(f"The statement is {bundle / STATEMENT}")


# ── Verify ───────────────────────────────────────────────────────────────────────────────────────────


@click.command()
@click.argument("bundle", type=_BUNDLE, default="out/certify")
@click.option("--pub", "keys", type=_FILE, required=True, multiple=True, help="A public key that must have signed it.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def verify(bundle: Path, keys: tuple[Path, ...], as_json: bool) -> None:
    """Say whether the BUNDLE is whole, is what was signed, and is what its tape gives.

    No verdict that is written in the bundle is believed: the campaign is run again against the tape. What a tape cannot
    show is named as attested; in real time that is every verdict.

    The exit code is that of the campaign: 0 is a conformant one whose verdicts were derived again. It is 1 for a bundle
    that is refused, and 3 where the verdicts are good and nobody can derive them, or where another suite has judged.
    """
    from opalink.conformance.sealed.envelope import public_key
    from opalink.conformance.sealed.sealing import verify as proved

    with sentences(), bar(as_json, "verify") as show:
        proof = proved(bundle, [public_key(key) for key in keys], show)
    if as_json:
        click.echo(json.dumps(_facts(proof), ensure_ascii=False))
    else:
        _print(proof)
    sys.exit(proof.exit)


def _facts(proof: Proof) -> dict[str, object]:
    said, subject = proof.statement.predicate.campaign, proof.statement.subject[0]
    return {
        "verdict": said.verdict.value,
        "level": said.level,
        "selection": said.selection,
        "exit": int(proof.exit),
        "subject": {"name": subject.name, "sha256": subject.digest.sha256, "source": said.firmware},
        "nonce": said.nonce,
        "files": proof.files,
        "derived": proof.derived,
        "attested": list(proof.attested),
        "keys": list(proof.keys),
        "others": list(proof.others),
    }


def _print(proof: Proof) -> None:
    said, subject = proof.statement.predicate.campaign, proof.statement.subject[0]
    reach = f"level {said.level}" if said.level else "no level"
    if said.selection:
        reach = f"no level: only {said.selection!r} was run, so this is no certificate"
    tests = sum(getattr(said.summary, name) for name in said.summary.__struct_fields__)
    how = "derived again from the tape" if proof.derived else "not derived"
    click.echo(printable(f"{subject.name} ({subject.digest.sha256}): {said.verdict.upper()}, {reach}"))
    click.echo(f"Signed by {', '.join(proof.keys)}; {proof.files} files as they were sealed; {tests} verdicts {how}.")
    if said.nonce:
        click.echo(f"The laboratory's nonce is {said.nonce}.")
    if proof.others:
        click.echo(printable(f"Not checked: the signatures of {', '.join(proof.others)}."))
    click.echo("Attested by who has signed:")
    for sentence in proof.attested:
        click.echo(printable(f"  {sentence}"))
