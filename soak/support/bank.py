"""A database in the guest: transactions until somebody pulls the plug, and what must be true of it afterwards.

    bank.py make|write|check sqlite FILE wal|delete
    bank.py make|write|check postgresql SOCKET-DIRECTORY USER
"""

import hashlib
import random
import sys

ACCOUNTS = 20


def connect(kind, place, how):
    if kind == "sqlite":
        import sqlite3

        database = sqlite3.connect(place, isolation_level=None)
        database.execute(f"PRAGMA journal_mode={how}")
        # With FULL, the end of a rollback journal is not flushed: SQLite may take back the last commit then.
        database.execute(f"PRAGMA synchronous={'EXTRA' if how == 'delete' else 'FULL'}")
        return database.cursor(), "?"
    import psycopg2

    database = psycopg2.connect(host=place, user=how, dbname="postgres")
    database.autocommit = True
    return database.cursor(), "%s"


def make(cursor, mark):
    cursor.execute("CREATE TABLE lines (id INTEGER PRIMARY KEY, text TEXT NOT NULL, hash TEXT NOT NULL)")
    cursor.execute("CREATE INDEX by_hash ON lines (hash)")
    cursor.execute("CREATE TABLE accounts (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL)")
    for account in range(ACCOUNTS):
        cursor.execute(f"INSERT INTO accounts VALUES ({mark}, 0)", (account,))


def write(cursor, mark):
    """Each line is printed once it is committed, and not before."""
    cursor.execute("SELECT coalesce(max(id), 0) FROM lines")
    (number,) = cursor.fetchone()
    while True:
        number += 1
        text = random.randbytes(random.choice([10, 100, 1000, 3000])).hex()
        amount = random.randrange(1000)
        giver, taker = random.sample(range(ACCOUNTS), 2)
        cursor.execute("BEGIN")
        hashed = hashlib.md5(text.encode()).hexdigest()
        cursor.execute(f"INSERT INTO lines VALUES ({mark}, {mark}, {mark})", (number, text, hashed))
        for account, change in ((giver, -amount), (taker, amount)):
            cursor.execute(f"UPDATE accounts SET balance = balance + {mark} WHERE id = {mark}", (change, account))
        cursor.execute("COMMIT")
        print(number, flush=True)


def check(cursor, kind):
    """Prints the number of lines, after a look at each."""
    wrong = []
    if kind == "sqlite":
        cursor.execute("PRAGMA integrity_check")
        wrong += [text for (text,) in cursor.fetchall() if text != "ok"]
    else:
        cursor.execute("CREATE EXTENSION IF NOT EXISTS amcheck")
        for index in ("lines_pkey", "by_hash", "accounts_pkey"):
            cursor.execute(f"SELECT bt_index_check('{index}', true)")
    cursor.execute("SELECT id, text, hash FROM lines ORDER BY id")
    lines = cursor.fetchall()
    for expected, (number, text, hashed) in enumerate(lines, 1):
        if number != expected or hashlib.md5(text.encode()).hexdigest() != hashed:
            wrong.append(f"line {number} where {expected} should be, or its text is wrong")
            break
    cursor.execute("SELECT count(*), sum(balance) FROM accounts")
    if cursor.fetchone() != (ACCOUNTS, 0):
        wrong.append("the accounts do not add up")
    print("; ".join(wrong) or len(lines))


def main():
    action, kind, place, how = sys.argv[1:]
    cursor, mark = connect(kind, place, how)
    if action == "make":
        make(cursor, mark)
    elif action == "write":
        write(cursor, mark)
    else:
        check(cursor, kind)


main()
