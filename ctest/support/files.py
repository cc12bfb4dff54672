"""Files that tests change."""
import pathlib
import re


def edit(path, old, new):
    """Puts new where old is, which has to be there: a text, or a pattern."""
    path = pathlib.Path(path)
    text = path.read_text(encoding="utf-8")
    edited = re.sub(old, new, text) if isinstance(old, re.Pattern) else text.replace(old, new)
    assert edited != text, f"{path} has no {old}"
    path.write_text(edited, encoding="utf-8")
