"""Finds keys in Grafana's dashboards that Grafana does not know: mostly typing errors, which Grafana ignores silently.

Each dashboard is read into Grafana's own types (grafana-foundation-sdk) and written again; what is lost on the way is no
key of theirs. Run it by check-shape.sh, which has the right version of them.
"""

import json
import re
import sys

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

# Grafana's types leave open what a data source adds to an annotation. These are Prometheus's own.
OPEN = re.compile(r"\.annotations\.list\[\d+\]\.(titleFormat|textFormat|useValueForTime)")


def lost(before, after, path=""):
    """Yields the paths of what is in `before` and not in `after`, or is another value there."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key, value in before.items():
            if key in after:
                yield from lost(value, after[key], f"{path}.{key}")
            else:
                yield f"{path}.{key}"
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, pair in enumerate(zip(before, after)):
            yield from lost(*pair, f"{path}[{index}]")
    elif before != after:
        yield path


def faults(dashboard):
    """Returns the paths of unknown keys in a dashboard."""
    after = json.loads(JSONEncoder().encode(Dashboard.from_json(dashboard)))
    return [path for path in lost(dashboard, after) if not OPEN.fullmatch(path)]


def check_the_check(dashboard):
    """Makes sure that errors are found at every depth, so that a new version of the types can't switch this off."""
    for path in (["graphTooltipp"], ["panels", 1, "descripton"], ["panels", 1, "targets", 0, "exprr"],
                 ["panels", 1, "options", "graphModee"], ["panels", 1, "fieldConfig", "defaults", "unitt"]):
        wrong = json.loads(json.dumps(dashboard))
        place = wrong
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = "x"
        if not faults(wrong):
            sys.exit(f"check-shape: {path[-1]} was not found where there was one")


def main(files):
    # Without them, queries and what is special to a kind of panel are taken as they are.
    register_default_plugins()
    found = 0
    for file in files:
        with open(file, encoding="utf-8") as opened:
            dashboard = json.load(opened)
        check_the_check(dashboard)
        for path in faults(dashboard):
            found += 1
            print(f"{file}: Grafana knows no {path}")
    if found or not files:
        sys.exit(f"check-shape: {found} unknown keys in {len(files)} dashboards")
    print(f"check-shape: {len(files)} dashboards have no unknown key")


if __name__ == "__main__":
    main(sys.argv[1:])
