"""Sends two events, and sends them again: an event with the same id is recorded once. Python 3.9, standard library.

    COUNTERSIGN_URL=http://127.0.0.1:8080 COUNTERSIGN_TOKEN=... python3 send.py [NAME]
"""

import datetime
import gzip
import json
import os
import random
import sys
import time
import urllib.error
import urllib.request

BASE_URL = os.environ["COUNTERSIGN_URL"]
TOKEN = os.environ["COUNTERSIGN_TOKEN"]


def send(events):
    """Sends until there is an answer that will not change. The ids make that safe."""
    body = gzip.compress("".join(json.dumps(event) + "\n" for event in events).encode())
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/x-ndjson", "Content-Encoding": "gzip"}
    for attempt in range(8):
        wait = random.uniform(0.5, 1) * min(0.2 * 2**attempt, 30)
        request = urllib.request.Request(f"{BASE_URL}/api/v1/events", data=body, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            detail = error.read().decode()
            if error.code != 429 and error.code < 500:
                # 409 and 400 name the event and the field: nothing of the request is recorded.
                sys.exit(f"refused: {error.code} {detail}")
            wait = max(wait, float(error.headers.get("Retry-After", 0)))
        except OSError as error:
            detail = str(error)
        print(f"waiting {wait:.1f} s: {detail}", file=sys.stderr)
        time.sleep(wait)
    sys.exit("given up: the events may be recorded; send them again with the same ids")


def main():
    name = sys.argv[1] if len(sys.argv) > 1 else f"order-{int(time.time())}"
    now = datetime.datetime.now(datetime.timezone.utc).isoformat()
    certificate = {"type": "CERTIFICATE", "id": "4711", "name": "www.example.com"}
    events = [
        {"id": f"{name}-requested", "occurred_at": now, "actor": {"id": "u-17", "name": "jane@example.com"},
         "action": "REQUEST", "resource": certificate, "outcome": "success", "source": "example/python"},
        {"id": f"{name}-approved", "occurred_at": now, "actor": {"id": "u-18", "name": "raj@example.com"},
         "action": "APPROVE", "resource": certificate, "outcome": "success", "source": "example/python",
         "attributes": {"ticket": "CHG-1042"}},
    ]
    for _ in range(2):
        answer = send(events)
        print(f"accepted {answer['accepted']}, duplicates {answer['duplicates']}")


main()
