"""banned.py - functions that have no place in src/, and why.

SPDX-License-Identifier: MIT
"""
import re

from checks.source import c_files, code, line_of

HANDLED_ELSEWHERE = re.compile(r"SIG_(?:IGN|DFL)")  # no handler is installed

# Names, what to use instead, the one file that is there to wrap them, and what makes a line harmless.
RULES = [
    ("strcpy strcat strncpy strncat sprintf vsprintf gets stpcpy", "str and buf", None, None),
    ("strtok strtok_r", "str_split", None, None),
    ("atoi atol atoll atof strtol strtoul strtoll strtoull strtod sscanf scanf fscanf", "number_parse", None, None),
    ("malloc calloc realloc reallocarray strdup strndup", "xmalloc and its kin", "src/base/alloc.c", None),
    ("alloca", "an arena", None, None),
    ("getaddrinfo gethostbyname system popen sleep usleep", "what does not block the loop", None, None),
    # The guard is a process that has no loop.
    ("nanosleep", "a timer of the loop", "src/process/guard.c", None),
    # A fatal signal does not come back to the loop.
    ("signal sigaction", "signals_open", "src/base/crash.c", HANDLED_ELSEWHERE),
    ("rand random srand srandom rand_r drand48", "random_bytes", None, None),
    ("localtime gmtime ctime asctime inet_ntoa", "the form with a buffer of the caller's", None, None),
    ("vfork daemon setjmp longjmp sigsetjmp siglongjmp", "nothing of that kind", None, None),
    ("select pselect", "the loop", None, None),
    ("gettimeofday", "loop_now or clock_now", None, None),
]


def pattern(names):
    return re.compile(r"(?<![\w.])(?<!->)(%s)\s*\(.*" % "|".join(names.split()))


def check():
    faults = []
    for names, instead, wrapper, harmless in RULES:
        banned = pattern(names)
        for name in c_files("src/"):
            content = code(name)
            faults += ["%s:%d: %s is banned; use %s" % (name, line_of(content, found.start()), found.group(1), instead)
                       for found in banned.finditer(content)
                       if name != wrapper and not (harmless and harmless.search(found.group()))]
    return faults
