#!/usr/bin/env python3
"""Writes one YEAR.toml per year beside itself, from the PyPI package `chinesecalendar`.

Once a year, after the State Council has published the next year's holidays (usually in November) and the package
has a release with them:

    python3 -m venv /tmp/calendar && /tmp/calendar/bin/pip install --upgrade chinesecalendar
    /tmp/calendar/bin/python config/calendar/generate.py 2015 2027

Compare the new file with the published notice (国务院办公厅关于部分节假日安排的通知), commit it, copy it to every node's
calendar folder. No restart is needed to *find* a missing year: `bankgate check` names it, and money that waits on a year
that is not there is an error, not a guess.
"""

import datetime
import importlib.metadata
import pathlib
import sys

from chinese_calendar import constants


def chinese_name(value):
    """The holiday's Chinese name, from the package's own enumeration."""
    return constants.Holiday(value).chinese


def dates(mapping, year):
    return sorted(date for date in mapping if date.year == year)


def rows(mapping, year):
    return "".join(f'    "{date.isoformat()}", # {chinese_name(mapping[date])}\n' for date in dates(mapping, year))


def render(year, source):
    return (
        f"# Working days of {year}: what differs from Monday to Friday. Written by generate.py; do not edit by hand.\n"
        f"year = {year}\n"
        f'source = "{source}"\n\n'
        "# Days off (放假), weekends within a holiday included.\n"
        f"holidays = [\n{rows(constants.holidays, year)}]\n\n"
        "# Weekend days that are worked (调休上班).\n"
        f"workdays = [\n{rows(constants.workdays, year)}]\n"
    )


def main():
    first, last = (int(word) for word in sys.argv[1:3])
    source = f"chinesecalendar {importlib.metadata.version('chinesecalendar')} (PyPI)"
    folder = pathlib.Path(__file__).parent
    missing = []
    for year in range(first, last + 1):
        # A year without a New Year's Day is a year that the package does not know yet.
        if datetime.date(year, 1, 1) not in constants.holidays:
            missing.append(year)
            continue
        (folder / f"{year}.toml").write_text(render(year, source), encoding="utf-8")
    if missing:
        sys.exit(f"{source} does not have: {', '.join(map(str, missing))}")


if __name__ == "__main__":
    main()
