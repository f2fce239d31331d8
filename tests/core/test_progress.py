import io
import sys

import pytest

from whence.core.progress import bar, progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def work():
    assert list(progress(range(3), "counting")) == [0, 1, 2]
    with bar("filling", 10) as shown:
        shown.update(4)
        shown.set_postfix_str("half")


def test_silent_where_nobody_watches(capsys):
    work()
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("what", ["counting", "filling"])
def test_a_terminal_sees_bars(monkeypatch, what):
    monkeypatch.setattr(sys, "stderr", Terminal())
    work()
    assert what in sys.stderr.getvalue()
