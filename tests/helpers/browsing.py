"""What the tests in a browser share."""


def wait_for(tab, condition, seconds: int = 40) -> None:
    """Until the condition holds; AssertionError when it never does."""
    for _ in range(seconds * 10):
        if condition():
            return
        tab.wait_for_timeout(100)
    raise AssertionError("waited in vain")


def settled(tab) -> None:
    """Until the page is drawn to its end: what is looked up on it stays where it is."""
    tab.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for()
