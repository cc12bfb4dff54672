"""What the programs' SQLite files hold, asked while they run."""
import contextlib
import sqlite3


def query(path, sql, *values):
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        return db.execute(sql, values).fetchall()
