"""The pages of requirements and tests: what must hold, and by which test purposes it is shown.

Requirements are objects of sphinx-needs, so that `{need}` points at them from everywhere and `needs.json` hands them to
other tools. Test purposes are far more and stand in plain tables: an ID is an anchor of its page.

Plan: purposes · requirements · tests · what users suffered.
"""

from collections import Counter, defaultdict
from html import escape

from opalink.conformance.bundle.coverage import REASONS
from opalink.conformance.explain import CLASSES, JUDGED
from opalink.conformance.purposes import ROLES, Purpose
from opalink.conformance.selection import purposes
from opalink.conformance.sufferings import grouped
from opalink.conformance.zoo import witnesses_journeys
from opalink.protocol.generate.docs.machines import toctree
from opalink.protocol.generate.docs.words import heading, linked, page, plain, ref, said, table
from opalink.protocol.ir import model as ir
from opalink.spec.form import Requirement, Testability

_SHOWN = 12  # test purposes that a requirement names before it only counts them

# ── Purposes ─────────────────────────────────────────────────────────────────────────────────────────


def _all() -> list[Purpose]:
    return [purpose for role in ROLES for purpose in purposes(role)]


def _home(purpose: Purpose) -> str:
    """The page of a purpose: its role and area."""
    return "-".join(purpose.id.split("/")[:2])


def _generated(purpose: Purpose) -> bool:
    return not isinstance(purpose.run, str)


def _link(purpose: Purpose, folder: str) -> str:
    return f'<a href="{folder}{_home(purpose)}.html#{escape(purpose.id)}"><code>{escape(purpose.id)}</code></a>'


# ── Requirements ─────────────────────────────────────────────────────────────────────────────────────


def _requirement(catalogue: ir.Catalogue, r: Requirement, shown_by: list[Purpose]) -> list[str]:
    applies = " or ".join(f"without {n[1:]}" if n.startswith("!") else f"with {n}" for n in r.needs) or "always"
    out = [
        f"```{{req}} {r.id}",
        f":id: {r.id}",
        f":level: {r.level}",
        f":role: {r.role}",
        f":kind: {r.kind}",
        f":testability: {r.test}",
        f":applies: {applies}",
        "",
        said(catalogue, r.text),
        "",
    ]
    words = [f"Judged {JUDGED[r.test]}."]
    if r.packet:
        words.append(f"About {ref(f'message-{r.packet}', r.packet)}.")
    if r.source:
        words.append(f"Source: {plain(r.source)}")
    if reason := r.reason or REASONS.get(r.id, ""):
        words.append(f"Not judged on every bench: {plain(reason)}")
    elif r.test is Testability.ACTIVE and not shown_by:
        words.append("No test provokes it yet.")
    out += [" ".join(words), ""]
    first = sorted(shown_by, key=lambda p: (_generated(p), p.id))[:_SHOWN]
    if first:
        more = f" and {len(shown_by) - len(first)} more" if len(shown_by) > len(first) else ""
        out += [f"Shown by {', '.join(_link(p, '../tests/') for p in first)}{more}.", ""]
    return [*out, "```", ""]


def _area(catalogue: ir.Catalogue, area: str, proof: dict[str, list[Purpose]]) -> list[str]:
    found = [r for r in catalogue.requirements if r.id.split("-")[1] == area]
    group = next((g for g in catalogue.groups if g.area == area), None)
    stated = [r for r in found if not r.key]
    implied = [r for r in found if r.key]
    out = [*heading(1, f"Requirements: {area}", f"area-{area}"), said(catalogue, group.doc) if group else "", ""]
    for title, lead, some in (
        ("Stated", "Each written beside what it constrains.", stated),
        ("Implied", "Each follows from a layout: a range, a list's length, the members of an enumeration.", implied),
    ):
        if some:
            out += [*heading(2, title), lead, ""]
            for r in some:
                out += _requirement(catalogue, r, proof.get(r.id, []))
    return out


def _overview(catalogue: ir.Catalogue, areas: list[str], proof: dict[str, list[Purpose]]) -> list[str]:
    rows = []
    for area in areas:
        found = [r for r in catalogue.requirements if r.id.split("-")[1] == area]
        how = Counter(r.test for r in found)
        rows.append((
            ref(f"area-{area}", area), str(len(found)), str(sum(r.level == "MUST" for r in found)),
            *(str(how[t]) for t in Testability), str(sum(r.id in proof for r in found)),
        ))  # fmt: skip
    return [
        *heading(1, "Requirements", "requirements"),
        (
            f"Every normative sentence, {len(catalogue.requirements)} of them. An ID is permanent: it is never "
            "given to another sentence. A requirement binds the side it names, whenever what it applies with is "
            "there. The whole list is in `needs.json` beside these pages, for tools."
        ),
        "",
        *table(("Area", "Requirements", "MUST", *(t.capitalize() for t in Testability), "Named by tests"), rows),
        *toctree(areas),
    ]


# ── Tests ────────────────────────────────────────────────────────────────────────────────────────────


def _scenarios(catalogue: ir.Catalogue, some: list[Purpose]) -> list[str]:
    rows = [
        (
            f'<span id="{escape(p.id)}"></span>`{p.id}`',
            linked(catalogue, plain(p.sentence)),
            " ".join(f"{{need}}`{r}`" for r in p.requirements),
        )
        for p in some
    ]
    return table(("Test", "Purpose", "Requirements"), rows, "opal-tests")


def _counted(some: list[Purpose]) -> list[str]:
    """Generated purposes as a table of HTML: thousands of rows that nobody has to parse."""
    out = ["```{raw} html", ('<table class="docutils opal-tests"><thead><tr><th>Test</th><th>Purpose</th>'
           "<th>Requirements</th></tr></thead><tbody>")]  # fmt: skip
    for p in some:
        cites = " ".join(f'<a href="../requirements/{r.split("-")[1]}.html#{r}">{r}</a>' for r in p.requirements)
        what = escape(p.sentence)
        out.append(f'<tr id="{escape(p.id)}"><td><code>{escape(p.id)}</code></td><td>{what}</td><td>{cites}</td></tr>')
    return [*out, "</tbody></table>", "```", ""]


def _tests(catalogue: ir.Catalogue, name: str, some: list[Purpose]) -> list[str]:
    role, area = name.split("-")
    out = [*heading(1, f"Tests of a {next(k for k, v in ROLES.items() if v == role)}: {area}", f"tests-{name}")]
    out += [f"{len(some)} test purposes. The requirements they show: {ref(f'area-{area}', area)}.", ""]
    subjects: defaultdict[str, list[Purpose]] = defaultdict(list)
    for p in some:
        subjects[p.id.split("/")[2]].append(p)
    for subject, found in sorted(subjects.items()):
        out += [*heading(2, subject)]
        if subject in catalogue.packet:
            out += [f"About {ref(f'message-{subject}', subject)}.", ""]
        if by_hand := [p for p in found if not _generated(p)]:
            out += _scenarios(catalogue, by_hand)
        if derived := [p for p in found if _generated(p)]:
            out += ["Derived from the layout and the states:", "", *_counted(derived)]
    return out


def _test_index(pages: dict[str, list[Purpose]]) -> list[str]:
    rows = [
        (ref(f"tests-{name}", name), str(len(some)), str(sum(not _generated(p) for p in some)),
         ", ".join(sorted({p.id.split("/")[2] for p in some})))
        for name, some in pages.items()
    ]  # fmt: skip
    lead = (
        "An ID is role / area / subject / class-name. A name that begins with `g.` is derived from the catalogue "
        "and says what the test changes; with `gf.`, the same on the FLIT plane. The report of a campaign names "
        "each test by its ID, and each failure by the requirement that was broken."
    )
    classes = [(f"`{c}`", f"{words[0].upper()}{words[1:]}.") for c, words in CLASSES.items()]
    return [
        *heading(1, "Tests", "tests"), lead, "",
        *table(("Class", "What it shows"), classes),
        *table(("Page", "Tests", "By hand", "Subjects"), rows, "opal-list"),
        *toctree([_SUFFERINGS, *pages]),
    ]  # fmt: skip


# ── What users suffered ──────────────────────────────────────────────────────────────────────────────

_SUFFERINGS = "sufferings"


def _suffered(catalogue: ir.Catalogue) -> list[str]:
    """The groups of scenarios, each with the module that it fails and no generated test does."""
    shown = {kind.selection: kind for kind in witnesses_journeys.ALL}
    out = [*heading(1, "What users suffered", "tests-sufferings")]
    lead = (
        "These scenarios are written by hand, and grouped by what the ancestors of OPAL failed their users in. Beside "
        "each stands a module with one mistake that the scenario shows, and that no test derived from the catalogue "
        "shows on any profile: `python -m opalink.conformance.selfcheck.handmade` measures that."
    )
    out += [lead, ""]
    for group, some in grouped().items():
        rows = [
            (f"`{p.id}`", linked(catalogue, plain(p.sentence)), f"`{kind.__name__}`: {plain(kind.__doc__ or '')}")
            for p in some
            if (kind := shown.get(p.id))
        ]
        out += [*heading(2, group.doc.rstrip(".")), *table(("Test", "Purpose", "Fails"), rows, "opal-tests")]
    return out


def files(catalogue: ir.Catalogue) -> dict[str, bytes]:
    """The pages of requirements and tests, by their place below the folder of the reference."""
    proof: defaultdict[str, list[Purpose]] = defaultdict(list)
    pages: defaultdict[str, list[Purpose]] = defaultdict(list)
    for purpose in _all():
        pages[_home(purpose)].append(purpose)
        for requirement in purpose.requirements:
            proof[requirement].append(purpose)
    areas = list(dict.fromkeys(r.id.split("-")[1] for r in catalogue.requirements))
    out = {
        "requirements/index": _overview(catalogue, areas, proof),
        "tests/index": _test_index(dict(sorted(pages.items()))),
        f"tests/{_SUFFERINGS}": _suffered(catalogue),
    }
    out |= {f"requirements/{a}": _area(catalogue, a, proof) for a in areas}
    out |= {f"tests/{name}": _tests(catalogue, name, some) for name, some in pages.items()}
    return {f"{name}.md": page(catalogue.fingerprint, lines) for name, lines in out.items()}
