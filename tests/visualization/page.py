"""A report read back: checked for being well-formed, and taken apart."""

from html.parser import HTMLParser

VOID_ELEMENTS = {"meta", "img", "br", "link", "input"}


class Page(HTMLParser):
    """Refuses tags that are not balanced, ids that are there twice and links to nowhere.

    Attributes:
        links: Every ``src``, ``href`` and the like.
        images: Alternative texts of the pictures.
        elements: Every element's name and attributes, in order.
        figures: Labels of the drawings.
    """

    def __init__(self, text):
        super().__init__()
        self.open, self.links, self.images, self.text = [], [], [], []
        self.elements, self.figures = [], []
        self.feed(text)
        self.close()
        assert self.open == []
        ids = [attrs["id"] for _, attrs in self.elements if "id" in attrs]
        twice = {each for each in ids if ids.count(each) > 1}
        # Two drawings may define the same clip path or mark: it is the same then.
        assert all(len(each) > 8 for each in twice), twice
        assert {link[1:] for link in self.links if link.startswith("#")} <= set(ids)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.elements.append((tag, attrs))
        for key in ("src", "href", "xlink:href", "srcset"):
            self.links += [attrs[key]] if key in attrs else []
        if tag == "img":
            self.images.append(attrs["alt"])
        if tag == "svg":
            assert attrs["role"] == "img"
            self.figures.append(attrs["aria-label"])
        if tag not in VOID_ELEMENTS:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)

    @property
    def words(self):
        return " ".join(" ".join(self.text).split())

    def all(self, tag):
        """Attributes of every element with this name."""
        return [attrs for name, attrs in self.elements if name == tag]
