#!/usr/bin/env python3
"""Prints a summary of llvm-cov as a table; fails where a file is below LEAST percent.

usage: coverage.py SUMMARY.json
"""
import json
import os
import sys

LEAST = 90


def row(name, covered, lines):
    return '%6.1f %%  %5d of %5d  %s' % (100 * covered / lines if lines else 100, covered, lines, name)


def main(path):
    with open(path) as file:
        files = json.load(file)['data'][0]['files']
    rows = sorted((os.path.relpath(f['filename']), f['summary']['lines']) for f in files)
    for name, lines in rows:
        print(row(name, lines['covered'], lines['count']))
    print(row('all', sum(n['covered'] for _, n in rows), sum(n['count'] for _, n in rows)))
    poor = [name for name, n in rows if 100 * n['covered'] < LEAST * n['count']]
    if poor:
        print('below %d %%: %s' % (LEAST, ' '.join(poor)))
    return 1 if poor else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1]))
