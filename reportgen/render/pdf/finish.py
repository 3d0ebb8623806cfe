"""Repairs to the PDF of WeasyPrint 70, made after its last page and before the bytes are written.

WeasyPrint's tags come close to PDF/UA-1, but break it in places and leave out some of what a screen reader goes by.
Every step reaches into the objects of WeasyPrint and pydyf, which is why the version is pinned, and leaves alone what
it does not find as it expects it. The names are listed in docs/private-names.md.
"""

from typing import Any

_POINTS = 0.75  # of a CSS pixel
_PRINT = 4  # the flag of an annotation that is there on paper too


def finish(document: Any, pdf: Any) -> None:
    """Repair a PDF; this is what write_pdf takes as its `finisher`. document: weasyprint's, pdf: pydyf's."""
    scopes(document, pdf)
    merge_links(document, pdf)
    describe_links(document, pdf)
    figure_boxes(document, pdf)
    group_lists(document, pdf)
    margin_texts(document, pdf)
    palettes(document, pdf)


def scopes(document: Any, pdf: Any) -> None:
    """Say of every TH whether it heads a row or a column: WeasyPrint drops the attribute scope.

    It lists the headers of each TD, but not every reader looks there. A header without a scope is that of a column,
    which is how WeasyPrint itself counts it.
    """
    for page in document.pages:
        for box in page._page_box.descendants():
            element = getattr(box, "mark", None)
            if isinstance(element, dict) and element.get("S") == "/TH" and "A" in element:
                scope = box.element.get("scope", "") if box.element is not None else ""
                element["A"]["Scope"] = "/Row" if scope.startswith("row") else "/Column"


def merge_links(document: Any, pdf: Any) -> None:
    """Leave one annotation of each link: WeasyPrint makes another of every box inside it, outside the Link tag.

    PDF/UA-1 wants each within a Link, and a reader would meet the same link twice. What stays covers all the areas.
    """
    tree = _parent_tree(pdf)
    for page, sheet in zip(document.pages, _pages(pdf), strict=True):
        outer = None
        for *_, box in page.links:  # a link comes before what is inside it
            annotation = getattr(box, "link_annotation", None)
            if annotation is None or annotation.get("StructParent") not in tree:
                continue
            if box.link or outer is None:
                outer = annotation
                continue
            element = _target(pdf, tree[annotation["StructParent"]])
            mentions = [kid for kid in element["K"] if _target(pdf, kid, "Obj") == annotation.reference]
            element["K"][:] = [kid for kid in element["K"] if kid not in mentions]
            if element["S"] == "/Link":  # what ::before and ::after write
                element["S"] = "/Span"
            sheet["Annots"].remove(annotation.reference)
            outer["Rect"][:] = _around(outer["Rect"], annotation["Rect"])
            _forget(pdf, annotation["StructParent"])
            for gone in (annotation, *(_target(pdf, mention) for mention in mentions)):
                gone.clear()


def describe_links(document: Any, pdf: Any) -> None:
    """Let every link say in words where it leads, by its title or its text, and keep it on paper.

    WeasyPrint writes the address or the name of the anchor there.
    """
    from pydyf import String

    for page in document.pages:
        for _, _, _, box in page.links:
            annotation = getattr(box, "link_annotation", None)
            if annotation and box.element is not None:
                annotation["F"] = _PRINT
                if words := box.element.get("title") or " ".join(_text(box.element).split()):
                    annotation["Contents"] = String(words)


def figure_boxes(document: Any, pdf: Any) -> None:
    """Give the place of a figure in points from the lower left, not in CSS pixels from the upper left."""
    heights = {sheet.reference: float(sheet["MediaBox"][3]) for sheet in _pages(pdf)}
    for element in _elements(pdf):
        box = element.get("A", {}).get("BBox")
        if element["S"] == "/Figure" and box and element.get("Pg") in heights:
            left, top, right, bottom = (_POINTS * value for value in box)
            height = heights[element["Pg"]]
            box[:] = left, height - bottom, right, height - top


def group_lists(document: Any, pdf: Any) -> None:
    """Make one item of each <div> in a <dl>, with its <dt> as the label of its <dd>, and leave only items in lists.

    WeasyPrint hangs a Div into the list, and the spaces between inline boxes; PDF/UA-1 forbids both. It makes an item
    of its own of every <dt> and <dd>.
    """
    spaces = []
    for group in _elements(pdf):
        if _target(pdf, group.get("P"), "S") != "/L":
            continue
        if group["S"] == "/Span":
            spaces.append(group)
        kids = [_target(pdf, kid) for kid in group["K"]] if group["S"] == "/Div" else []
        items = [kid for kid in kids if kid and kid.get("S") == "/LI"]
        between = [kid for kid in kids if kid and kid.get("S") == "/Span"]
        if items and len(items) + len(between) == len(kids):
            spaces += between
            group["S"], group["K"][:] = "/LI", [kid for item in items for kid in item["K"]]
            bodies = [_target(pdf, kid) for kid in group["K"]]
            for body in bodies:
                body["P"] = group.reference
            if len(bodies) > 1:  # else the rest is on another page
                bodies[0]["S"] = "/Lbl"
            for item in items:
                item.clear()
    _leave_out(pdf, spaces, {})


def margin_texts(document: Any, pdf: Any) -> None:
    """Mark page numbers and running heads as artifacts, which are not read out on every page.

    WeasyPrint tags them as text but hangs these tags on no tree.
    """
    elements = {element.reference: element for element in _elements(pdf)}
    root = _target(pdf, pdf.catalog.get("StructTreeRoot"))
    reached, waiting = set(), [kid for kid in (root or {}).get("K", []) if kid in elements]
    while waiting:
        reference = waiting.pop()
        reached.add(reference)
        waiting += [kid for kid in elements[reference]["K"] if kid in elements]
    loose = [element for reference, element in elements.items() if reference not in reached]
    _leave_out(pdf, loose, {"Type": "/Pagination"})


def palettes(document: Any, pdf: Any) -> None:
    """Give the pictures of `stored_png` their palettes: those in one map of colours share one."""
    from pydyf import Array, Stream

    known: dict[bytes, Any] = {}
    for rows in [o for o in pdf.objects if getattr(o, "palette", b"")]:
        if rows.palette not in known:
            known[rows.palette] = Stream([rows.palette], compress=True)
            pdf.add_object(known[rows.palette])
        last = len(rows.palette) // 3 - 1
        rows.extra["ColorSpace"] = Array(["/Indexed", "/DeviceRGB", last, known[rows.palette].reference])


def _pages(pdf: Any) -> list[Any]:
    return [o for o in pdf.objects if isinstance(o, dict) and o.get("Type") == "/Page"]


def _elements(pdf: Any) -> list[Any]:
    return [o for o in pdf.objects if isinstance(o, dict) and o.get("Type") == "/StructElem"]


def _target(pdf: Any, reference: Any, key: str | None = None) -> Any:
    """Return what a reference such as b"12 0 R" leads to, or what that holds under `key`; None for no reference."""
    if not isinstance(reference, bytes):
        return None
    found = pdf.objects[int(reference.split()[0])]
    return found if key is None else found.get(key)


def _leave_out(pdf: Any, elements: list[Any], properties: dict[str, str]) -> None:
    """Mark the text of elements as artifacts, and take the elements out of the tree and of the parent tree.

    An element whose text is not found, because it is not directly on its page, stays as it is.
    """
    tree = _parent_tree(pdf)
    by_page: dict[Any, list[Any]] = {}
    for element in elements:
        by_page.setdefault(element.get("Pg"), []).append(element)
    for page in _pages(pdf):
        if page.reference not in by_page:
            continue
        tokens, owners = _target(pdf, page["Contents"]).stream, tree[page["StructParents"]]
        places = {token["MCID"]: n for n, token in enumerate(tokens) if isinstance(token, dict) and "MCID" in token}
        for element in by_page[page.reference]:
            texts = [kid for kid in element["K"] if isinstance(kid, int)]
            if not all(kid in places for kid in texts):
                continue
            for kid in texts:
                place = places[kid]
                tokens[place - 1], tokens[place] = "/Artifact", type(tokens[place])(properties)
                owners[kid] = "null"
            above = _target(pdf, element.get("P"), "K") or []
            if element.reference in above:
                above.remove(element.reference)
            element.clear()


def _parent_tree(pdf: Any) -> dict[int, Any]:
    """Return what the parent tree holds under each number: of a page its elements, of an annotation its element."""
    root = _target(pdf, pdf.catalog.get("StructTreeRoot"))
    if root is None:
        return {}
    flat = _target(pdf, root["ParentTree"])["Nums"]
    return dict(zip(flat[::2], flat[1::2], strict=True))


def _forget(pdf: Any, number: int) -> None:
    """Take a number out of the parent tree."""
    flat = _target(pdf, _target(pdf, pdf.catalog["StructTreeRoot"])["ParentTree"])["Nums"]
    place = flat[::2].index(number) * 2
    del flat[place : place + 2]


def _around(one: list[float], other: list[float]) -> tuple[float, float, float, float]:
    """Return the rectangle around two, each given by any two opposite corners."""
    across, up = (*one[::2], *other[::2]), (*one[1::2], *other[1::2])
    return min(across), min(up), max(across), max(up)


def _text(element: Any) -> str:
    """Return what an HTML element says, with the alternative texts of its pictures."""
    if not isinstance(element.tag, str):  # a comment
        return ""
    own = element.get("alt") if element.tag == "img" else element.text
    return (own or "") + "".join(_text(child) + (child.tail or "") for child in element)
