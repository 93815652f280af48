"""banned.py - functions that have no place in src/, and why.

SPDX-License-Identifier: MIT
"""
import re

from checks.source import c_files, code, line_of, text

HANDLED_ELSEWHERE = re.compile(r"SIG_(?:IGN|DFL)")  # no handler is installed

# Names, what to use instead, the one file that is there to wrap them, and what makes a line harmless.
RULES = [
    ("strcpy strcat strncpy strncat sprintf vsprintf gets stpcpy", "str and buf", None, None),
    ("strtok strtok_r", "str_split", None, None),
    ("atoi atol atoll atof strtol strtoul strtoll strtoull strtod sscanf scanf fscanf", "number_parse", None, None),
    ("malloc calloc realloc reallocarray strdup strndup", "xmalloc and its kin", "src/base/alloc.c", None),
    ("alloca", "an arena", None, None),
    ("gethostbyname system popen sleep usleep", "what does not block the loop", None, None),
    # There it is on a thread, for names that /etc/hosts may have.
    ("getaddrinfo", "target_addresses", "src/target/configured.c", None),
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

# What takes a name and works on what is found there goes through src/base/file.c, which falls into no trap.
FILE_WORK = ("open openat openat2 fopen freopen creat mkdir mkdirat rmdir opendir fdopendir scandir ftw nftw unlink "
             "unlinkat remove rename renameat renameat2 link linkat symlink symlinkat chown lchown fchownat chmod "
             "fchmodat truncate mkstemp mkostemp")
# The kernel's own names, where nobody can lay one.
KERNELS = re.compile(r'\w+\(\s*"/(?:(?:proc|sys|dev)(?:/[^"]*)?)?"')
# Whose name is not seen to be so.
FILE_WORK_ELSEWHERE = {
    "src/config/load.c": ("open", "the operator's configuration may be a pipe"),
    "src/process/mark.c": ("open", "a namespace in /proc"),
    "src/process/namespace.c": ("open", "the maps of a user namespace in /proc"),
    "src/supervisor/listeners.c": ("fopen", "a table in /proc/net, read by lines"),
    "src/tenant/listening.c": ("fopen", "tables in /proc/net, read by lines"),
    "src/tenant/strays.c": ("openat", "what a process has open, by its descriptor in /proc"),
}

# JSON is written by src/base/json.c; Jansson reads it.
JSON_MADE = ("json_dumps json_dumpb json_dumpf json_dump_callback json_pack json_object_set_new json_array_append_new "
             "json_sprintf")
JSON_BY_HAND = re.compile(r'\\":(?! )|\{\\"')
JSON_ELSEWHERE = {
    "src/backup/replica.c": "what Litestream is asked",
    "src/backup/rpc.c": "what Litestream is asked",
    "src/proxy/rewrite.c": "an application's own document, of which one member is changed",
    "src/target/fly_create.c": "this machine's own configuration, of which some members are changed",
    "src/tenant/reason.c": "what is looked for in what applications write",
}


def pattern(names):
    return re.compile(r"(?<![\w.])(?<!->)(%s)\s*\(.*" % "|".join(names.split()))


def check_functions():
    for names, instead, wrapper, harmless in RULES:
        banned = pattern(names)
        for name in c_files("src/"):
            content = code(name)
            for found in banned.finditer(content):
                if name != wrapper and not (harmless and harmless.search(found.group())):
                    yield "%s:%d: %s is banned; use %s" % (name, line_of(content, found.start()), found.group(1), instead)


def check_file_work():
    used, names = set(), pattern(FILE_WORK)
    for name in c_files("src/"):
        content, elsewhere = code(name), FILE_WORK_ELSEWHERE.get(name, ("", ""))[0].split()
        for found in names.finditer(content):
            if name == "src/base/file.c" or KERNELS.match(text(name), found.start()):
                continue
            if found.group(1) in elsewhere:
                used.add(name)
            else:
                yield "%s:%d: %s is for src/base/file.c; use file.h" % (
                    name, line_of(content, found.start()), found.group(1))
    for name in sorted(set(FILE_WORK_ELSEWHERE) - used):
        yield "tools/checks/banned.py:1: %s is excepted, and need not be" % name


def check_json():
    used, names = set(), pattern(JSON_MADE)
    for name in c_files("src/"):
        lines = [line_of(code(name), found.start()) for found in names.finditer(code(name))]
        # What stands in comments is blank in the code.
        shown = code(name).split("\n")
        lines += [number for number, line in enumerate(text(name).split("\n"), 1)
                  if JSON_BY_HAND.search(line) and '"' in shown[number - 1]]
        if name in JSON_ELSEWHERE and lines:
            used.add(name)
        elif lines:
            yield "%s:%d: JSON is written by src/base/json.c; use json.h" % (name, min(lines))
    for name in sorted(set(JSON_ELSEWHERE) - used):
        yield "tools/checks/banned.py:1: %s is excepted, and need not be" % name


def check():
    return [*check_functions(), *check_file_work(), *check_json()]
