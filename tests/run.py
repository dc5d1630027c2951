#!/usr/bin/env python3
"""Runs test programs and counts what they report.

usage: run.py NAME=COMMAND...

A program that speaks TAP (cmocka's and our scripts do) counts by its "ok" and
"not ok" lines; any other is one test by its exit status. A program that reports
nothing wrong and yet fails, or that reports fewer tests than it planned, counts
as one failure: it died. What a failed program printed is shown. The last line is
"N passed, N failed", and N skipped behind it if any were.

As many run at a time as there are processors (JOBS=N: N); they are shown in the order given.
"""
import concurrent.futures
import os
import re
import shlex
import subprocess
import sys

RESULT = re.compile(r'^(not )?ok\b(?:\s+\d+)?\s*-?\s*(.*)$')
PLAN = re.compile(r'^1\.\.(\d+)')
TIMEOUT = 600


def run(name, command):
    env = dict(os.environ, CMOCKA_MESSAGE_OUTPUT='TAP', TZ='UTC', LC_ALL='C.UTF-8')
    try:
        done = subprocess.run(shlex.split(command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, env=env, timeout=TIMEOUT)
        output, status = done.stdout.decode('utf-8', 'replace'), done.returncode
    except subprocess.TimeoutExpired as late:
        output, status = (late.stdout or b'').decode('utf-8', 'replace') + '\ntimed out', -1
    passed, failed, skipped, planned = [], [], [], 0
    for line in output.splitlines():
        plan, result = PLAN.match(line), RESULT.match(line)
        if plan:
            planned += int(plan[1])
        elif result and result[1]:
            failed.append(result[2])
        elif result:
            (skipped if '# SKIP' in line.upper().replace('#SKIP', '# SKIP') else passed).append(result[2])
    seen = len(passed) + len(failed) + len(skipped)
    if not seen and not planned:
        (passed if status == 0 else failed).append(name)
    elif (status != 0 and not failed) or seen < planned:
        failed.append('%s: ended with status %d after %d of %d tests' % (name, status, seen, planned))
    return name, passed, failed, skipped, output


def main(argv):
    tests = [arg.split('=', 1) for arg in argv]
    totals = [0, 0, 0]
    jobs = int(os.environ.get('JOBS', os.cpu_count() or 1))
    pool = concurrent.futures.ThreadPoolExecutor(max_workers=jobs)
    for name, passed, failed, skipped, output in pool.map(lambda test: run(*test), tests):
        for i, part in enumerate((passed, failed, skipped)):
            totals[i] += len(part)
        print('%-4s %-40s %d passed%s%s' % ('FAIL' if failed else 'ok', name, len(passed),
                                           ', %d failed' % len(failed) if failed else '',
                                           ', %d skipped' % len(skipped) if skipped else ''))
        for line in skipped:
            print('       skipped: ' + line)
        if failed:
            print(''.join('     | %s\n' % line for line in output.splitlines()[-200:]), end='')
        sys.stdout.flush()
    print('%d passed, %d failed%s' % (totals[0], totals[1], ', %d skipped' % totals[2] if totals[2] else ''))
    return 1 if totals[1] or not totals[0] else 0


sys.exit(main(sys.argv[1:]))
