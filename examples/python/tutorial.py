"""A compliance report from the DigiCert ONE Account Manager audit log in five steps. Python 3.9, standard library.

    COUNTERSIGN_URL=http://127.0.0.1:8080 COUNTERSIGN_TOKEN=... FROM=2026-01-01 TO=2026-03-31 python3 tutorial.py > report.tsv
"""

import datetime
import json
import os
import sys
import urllib.error
import urllib.parse
import urllib.request

BASE_URL = os.environ["COUNTERSIGN_URL"]
TOKEN = os.environ["COUNTERSIGN_TOKEN"]
TODAY = datetime.datetime.now(datetime.timezone.utc).date()
FROM = os.environ.get("FROM") or str(TODAY - datetime.timedelta(days=90))
TO = os.environ.get("TO") or str(TODAY)

COLUMNS = ["timestamp", "action", "status", "resource_type", "resource_name", "user", "user_email", "user_type",
           "user_status", "account", "account_number"]


class NotFound(Exception):
    """The server knows nothing under this path."""


def get(path, params=None):
    """Returns the decoded answer, as requests.get(...).json() does."""
    url = f"{BASE_URL}{path}"
    if params:
        url += "?" + urllib.parse.urlencode(params)
    request = urllib.request.Request(url, headers={"x-api-key": TOKEN})
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        if error.code == 404:
            raise NotFound(path) from None
        sys.exit(f"GET {path}: {error.code} {error.read().decode()}")


def look_up(kind, ids):
    """Returns what is known of each id. Who is not known any more is left out."""
    known = {}
    for id in sorted(ids):
        try:
            known[id] = get(f"/account/api/v1/{kind}/{urllib.parse.quote(id, safe='')}")
        except NotFound:
            pass
    return known


def log(text):
    print(text, file=sys.stderr)


def cell(value):
    """A field of a tab-separated line."""
    text = value or ""
    for plain, escaped in (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r")):
        text = text.replace(plain, escaped)
    return text


def main():
    # 1. What is there: the newest entries.
    newest = get("/account/api/v1/audit-log", {"sort": "timestamp:desc"})
    first = newest["items"][0]
    log(f"step 1: {newest['total']} entries, the newest is {first['action']} {first['resource_type']} at {first['timestamp']}")

    # 2. What is wanted: a period, and two types of resource.
    wanted = {"from": FROM, "to": TO, "resource_types": "USER,APIKEY", "sort": "timestamp:desc"}
    log(f"step 2: {get('/account/api/v1/audit-log', wanted)['total']} of them from {FROM} to {TO}")

    # 3. All of it, in pages of 1000.
    items, offset, total = [], 0, 1
    while offset < total:
        page = get("/account/api/v1/audit-log", {**wanted, "offset": offset, "limit": 1000})
        items += page["items"]
        offset, total = offset + 1000, page["total"]
    log(f"step 3: {len(items)} entries read")

    # 4. Who that was.
    user_ids = {item["user"]["id"] for item in items if item["user"]}
    users = look_up("user", user_ids)
    log(f"step 4: {len(users)} of {len(user_ids)} users are known")

    # 5. And in which account.
    account_ids = {item["account"]["id"] for item in items}
    accounts = look_up("account", account_ids)
    log(f"step 5: {len(accounts)} of {len(account_ids)} accounts are known")

    sys.stdout.reconfigure(encoding="utf-8", newline="\n")
    print("\t".join(COLUMNS))
    for item in items:
        actor = item["user"] or {}
        user = users.get(actor.get("id"), {"status": "unknown"} if actor else {})
        account = accounts.get(item["account"]["id"], {})
        print("\t".join(cell(value) for value in (
            item["timestamp"], item["action"], item["status"], item["resource_type"], item["resource_name"],
            actor.get("name"), user.get("email"), user.get("user_type"), user.get("status"),
            item["account"]["name"], account.get("friendly_identifier"))))


main()
