"""Write the reference pages: one per public function, from the registry.

    python docs/reference.py        fills docs/reference/ (not kept in the repository)

Each page has the signature and docstring, the formula, the derivative that the backward pass uses, what the operation keeps
for it, and where its text is.
"""

import inspect
import pathlib
import shutil

import minigrad
from minigrad.op import faces

OUT = pathlib.Path(__file__).parent / "reference"


def family(face):
    """The file that a function is written in, as a title."""
    code = inspect.unwrap(face.op.body if face.op else face.call)
    file = inspect.getsourcefile(code)
    return pathlib.Path(file).stem if file and not file.startswith("<") else "other"


def page(face):
    names = ", ".join(f"`minigrad.{prefix}{n}`" for space in face.spaces for prefix in [_prefix(space)] for n in face.names)
    text = [f"# {face.qualified}", ""]
    body = inspect.cleandoc(face.doc)
    text += [f"```{{eval-rst}}\n.. function:: {face.qualified}{_signature(face)}\n\n{_indent(_rst(body))}\n```", ""]
    if face.formula:
        text += ["## Formula", "", f"$$\n{face.formula}\n$$", ""]
    if face.derivative:
        text += ["## Derivative", "", f"$$\n{face.derivative}\n$$", ""]
    if face.op is not None and face.op.differentiable:
        kept = ", ".join(f"`{k}`" for k in sorted({n for r in face.op.rules if r for n in r.names if n in face.op.layout}))
        text += [f"Kept for the backward pass: {kept or 'nothing'}.", ""]
    text += [f"Also called: {names}.", ""]
    code = inspect.unwrap(face.op.body if face.op else face.call)
    file = inspect.getsourcefile(code)
    if file and "minigrad" in file:
        place = pathlib.Path(file).relative_to(pathlib.Path(minigrad.__file__).parent.parent)
        text += [f"Written in `{place}`.", ""]
    return "\n".join(text)


def _prefix(space):
    return {"torch": "", "Tensor": "Tensor.", "functional": "nn.functional."}.get(space, space + ".")


def _signature(face):
    try:
        return str(inspect.signature(face.call))
    except (TypeError, ValueError):
        return "(...)"


def _rst(text):
    """Google-style sections as reStructuredText definition lists; examples as they are."""
    lines = []
    for line in text.splitlines():
        if line.strip() in (
            "Args:",
            "Returns:",
            "Raises:",
            "Shape:",
            "Note:",
            "Example:",
            "Source:",
            "References:",
            "Reference:",
        ):
            lines += ["", f"**{line.strip()[:-1]}**", ""]
        elif line.startswith("    ") and not line.strip().startswith((">>>", "...")):
            lines.append("| " + _escaped(line.strip()))
        else:
            lines.append(line if line.strip().startswith((">>>", "...")) else _escaped(line))
    return "\n".join(lines)


def _escaped(line):
    """A star outside of code is a star, not emphasis."""
    parts = line.split("``")
    return "``".join(p if i % 2 else p.replace("*", r"\*") for i, p in enumerate(parts))


def _indent(text):
    return "\n".join("   " + line if line.strip() else "" for line in text.splitlines())


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir()
    families, done = {}, set()
    for key in sorted(faces):
        face = faces[key]
        if not face.names or id(face) in done:
            continue
        done.add(id(face))
        name = face.qualified.replace("/", "_")
        (OUT / f"{name}.md").write_text(page(face))
        families.setdefault(family(face), []).append((face.qualified, name))
    index = ["# Reference", "", "Made from the operations themselves, so it cannot be out of date.", ""]
    for title in sorted(families):
        (OUT / f"family-{title}.md").write_text(
            f"# {title.replace('_', ' ').capitalize()}\n\n```{{toctree}}\n:maxdepth: 1\n\n"
            + "\n".join(n for _, n in families[title])
            + "\n```\n"
        )
    index += ["```{toctree}", ":maxdepth: 2", "", *[f"family-{t}" for t in sorted(families)], "```", ""]
    (OUT / "index.md").write_text("\n".join(index))
    print(f"{len(done)} pages in {OUT}")


if __name__ == "__main__":
    main()
