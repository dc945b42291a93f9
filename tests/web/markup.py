"""What every page has to keep to, read with the standard library's parser.

Not a validator of HTML, but of our promises: what is opened is closed, ids are unique and what refers
to one finds it, tables have captions and scopes, pictures have words, and nothing is inline.
"""

from __future__ import annotations

from html.parser import HTMLParser

VOID = {"br", "hr", "img", "input", "link", "meta"}
REFERENCES = ("aria-labelledby", "aria-describedby", "for")


class Markup(HTMLParser):
    """`faults` lists what is wrong with a page, `text` is what a reader reads."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.faults: list[str] = []
        self.tags: list[str] = []
        self._texts: list[str] = []
        self._open: list[str] = []
        self._captioned: list[bool] = []
        self._ids: list[str] = []
        self._referred: set[str] = set()
        self.feed(page)
        self.close()
        self.text = " ".join(" ".join(self._texts).split())
        self._at_the_end()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element begins."""
        self.tags.append(f"svg {tag}" if "svg" in self._open else tag)  # a column has a <title> too
        found = dict(attrs)
        self._check_attributes(tag, found)
        self._ids += [value for name, value in attrs if name == "id" and value]
        self._referred |= {word for name in REFERENCES for word in (found.get(name) or "").split()}
        if tag == "table":
            self._captioned.append(False)
        if tag == "caption" and self._captioned:
            self._captioned[-1] = True
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """An element ends."""
        if not self._open or self._open.pop() != tag:
            self.faults.append(f"</{tag}> closes what is not open")
        if tag == "table" and self._captioned and not self._captioned.pop():
            self.faults.append("a table has no caption")

    def handle_data(self, data: str) -> None:
        """Text."""
        if self._open and self._open[-1] in {"script", "style"} and data.strip():
            self.faults.append("something is inline")
        self._texts.append(data)

    def _check_attributes(self, tag: str, found: dict[str, str | None]) -> None:
        for name, value in found.items():
            if name == "style" or name.startswith("on"):
                self.faults.append(f"<{tag} {name}> is inline")
            if name in {"src", "href"} and not (value or "").startswith(("/", "#")):
                self.faults.append(f"<{tag} {name}> leads elsewhere")
        if tag == "th" and found.get("scope") not in {"row", "col"}:
            self.faults.append("a <th> has no scope")
        if tag == "img" and found.get("alt") is None:
            self.faults.append("an <img> has no alt")
        if tag == "svg" and not (found.get("aria-hidden") or found.get("role")):
            self.faults.append("an <svg> is neither hidden nor named")

    def _at_the_end(self) -> None:
        self.faults += [f"<{tag}> is never closed" for tag in self._open]
        self.faults += [f"id {name} stands twice" for name in set(self._ids) if self._ids.count(name) > 1]
        self.faults += [f"nothing has the id {name}" for name in self._referred - set(self._ids)]
        self.faults += [f"{self.tags.count(tag)} <{tag}>" for tag in ("main", "h1", "title") if self.tags.count(tag) != 1]
