from importlib.metadata import version

from whence.core import environment


def test_versions_are_those_installed():
    found = environment.versions()
    assert found["torch"] == version("torch")
    assert {"python", "whence", "numpy"} <= found.keys()


def test_the_digest_follows_the_code(tmp_path, monkeypatch):
    (tmp_path / "core").mkdir()
    source = tmp_path / "core" / "a.py"
    monkeypatch.setattr(environment, "__file__", str(tmp_path / "core" / "environment.py"))
    found = set()
    for text in ("x = 1\n", "x = 2\n", "x = 1\n"):
        source.write_text(text)
        found.add(environment.code_digest.__wrapped__())
    assert len(found) == 2
