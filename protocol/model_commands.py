"""`opalink spec model`: the declared machines of both sides, explored together by the checker spin."""

import json
import sys
from pathlib import Path

import click
from msgspec import structs


class NoSpinError(click.ClickException):
    exit_code = 5


@click.command()
@click.argument("names", nargs=-1)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Write the models there as well.")
@click.option("--seconds", type=click.FloatRange(min=1), default=300, show_default=True, help="For one search at most.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def model(names: tuple[str, ...], out: Path | None, seconds: float, as_json: bool) -> None:
    """Explore phone, module and a lossy, detachable link with spin; exit 1 on a property that does not hold.

    NAMES are models: a few machines of both sides with a wire and a world around them. Without a name, all of them are
    explored. What is judged, and what was left out, is declared in spec/safety.py and spec/abstraction.py. A
    counterexample is shown as a ladder of packets.
    """
    from opalink.protocol.generate.promela import text
    from opalink.protocol.generate.promela.run import SpinError, missing, verify
    from opalink.protocol.ir.load import catalogue
    from opalink.spec.safety import MODELS

    known = {m.name: m for m in MODELS}
    for name in names:
        if name not in known:
            raise click.UsageError(f"No model is called {name!r}; there are {', '.join(known)}.")
    chosen = [known[n] for n in names] if names else list(MODELS)
    c = catalogue()
    if out:
        out.mkdir(parents=True, exist_ok=True)
        for m in chosen:
            (out / f"{m.name}.pml").write_text(text(c, m))
    if lacking := missing():
        raise NoSpinError(
            f"{' and '.join(lacking)} not installed (Debian: apt-get install spin gcc): nothing was judged."
        )
    verdicts = []
    for m in chosen:
        try:
            verdict = verify(c, m, seconds=seconds)
        except SpinError as error:
            click.echo(f"{m.name}: {error}", err=True)
            sys.exit(4)
        verdicts.append(verdict)
        if not as_json:
            said = f"broken: {verdict.broken}" if verdict.broken else "holds"
            click.echo(f"{m.name:10} {verdict.states:>9,} states {verdict.transitions:>11,} transitions  {said}")
            for line in verdict.ladder:
                click.echo(f"    {line}")
    if as_json:
        click.echo(json.dumps([structs.asdict(v) for v in verdicts], indent=1, ensure_ascii=False))
    sys.exit(1 if any(v.broken for v in verdicts) else 0)
