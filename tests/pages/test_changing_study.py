"""Another study is chosen: no page keeps anything of the one that was left."""

import pytest
from page_studies import ROOT, pages, write_full

FOLDER = ROOT / "pages"
PAGES = sorted(
    str(path.relative_to(FOLDER))
    for pattern in ("*.py", "*/page.py")
    for path in FOLDER.glob(pattern)
    if path.name not in ("main.py", "__init__.py")
)
#: Views of a page that are reached by its address.
VIEWS = [(page, {}) for page in PAGES] + [
    ("mechanisms/page.py", {"compound_view": "side by side"}),
    ("mechanisms/page.py", {"compound_view": "doses and controls"}),
    ("out_of_distribution/page.py", {"compare": "one kind"}),
    ("out_of_distribution/page.py", {"compare": "all kinds"}),
    ("suspect_labels/page.py", {"suspects": "image"}),
    ("suspect_labels/page.py", {"suspects": "image", "suspects_as": "as a table"}),
    ("compare_studies/page.py", {"studies_view": "did cleaning help?"}),
    ("plates/page.py", {"plate_colour": "label"}),
]
SEPARATE = {"first": "aardvark", "second": "zebra"}


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    root = tmp_path_factory.mktemp("studies")
    write_full(root, "first", SEPARATE["first"], 3)
    write_full(root, "second", SEPARATE["second"], 4)
    return root


class Browser:
    """What the browser shows in each menu: it keeps a value until it gets another one."""

    def __init__(self):
        self.shown = {}

    def read(self, app):
        """Menu -> (its options, what it shows), once a run has been sent."""
        menus, kept = {}, {}
        for kind in ("selectbox", "multiselect", "button_group"):
            for menu in app.get(kind):
                proto = menu.proto
                options = [getattr(o, "content", o) for o in proto.options]
                if proto.set_value or proto.id not in self.shown:
                    shown = sent(kind, proto, options)
                else:
                    shown = self.shown[proto.id]
                kept[proto.id] = shown
                menus[menu.key] = (options, shown)
        self.shown = kept
        return menus


def sent(kind, proto, options):
    if kind == "selectbox":
        return (
            [proto.raw_value]
            if proto.set_value
            else [options[proto.default]]
            if options and proto.HasField("default")
            else []
        )
    return list(proto.raw_values) if proto.set_value else [options[i] for i in proto.default]


def look_around(app, browser, study):
    assert not app.exception
    other = SEPARATE["second" if study == "first" else "first"].encode()
    for key, (options, shown) in browser.read(app).items():
        assert set(shown) <= set(options), key
    for element in app.main:
        if element.proto is not None:
            assert other not in element.proto.SerializeToString(), element
    assert other.decode() not in str(app.query_params)
    assert not {"suspect", "bar", "spot", "image", "among"} & set(app.query_params)


def choose_last_of_all_menus(app, browser):
    """As a user who has touched every menu of the page."""
    for key in [menu.key for menu in menus_of(app.main) if menu.key != "score"]:
        for menu in menus_of(app.main):
            if menu.key == key and menu.options:
                last = menu.options[-1]
                menu.set_value([last] if menu.type == "multiselect" else last).run()
                browser.read(app)
    assert not app.exception


def menus_of(block):
    return [menu for kind in ("selectbox", "multiselect") for menu in block.get(kind)]


def choose(app, study):
    return app.selectbox(key="study").set_value(study).run()


@pytest.mark.parametrize(("page", "view"), VIEWS, ids=lambda part: str(part))
def test_there_and_back_on_every_page(monkeypatch, cache, page, view):
    app = pages(monkeypatch, cache, study="first")
    for name, value in view.items():
        app.query_params[name] = value
    app.switch_page(page).run()
    browser = Browser()
    look_around(app, browser, "first")
    choose_last_of_all_menus(app, browser)
    app.query_params["suspect"] = f"{SEPARATE['first']}-cpd-0c"
    for study in ("second", "first"):
        look_around(choose(app, study), browser, study)
        choose_last_of_all_menus(app, browser)


def test_a_study_chosen_on_another_page(monkeypatch, cache):
    app = pages(monkeypatch, cache, "mechanisms/page.py", study="first")
    browser = Browser()
    choose_last_of_all_menus(app, browser)
    for study in ("second", "first"):
        app.switch_page("overview/page.py").run()
        browser.read(app)
        choose(app, study)
        look_around(app, browser, study)
        look_around(app.switch_page("mechanisms/page.py").run(), browser, study)
