"""frameworks.py - no file outside of src/framework/ names a framework, or what only one of them has.

So a preset is a row and perhaps a file of that folder, and touches nothing else.  Comments may say why.

SPDX-License-Identifier: MIT
"""
import re

from checks.source import TOKEN, c_files, code, line_of, text

FOLDER = "src/framework/"
TABLE = FOLDER + "frameworks.def"
ROW = re.compile(r"^(LAST_)?FRAMEWORK\((\w+), (\w+),", re.M)
FILE = re.compile(r'\.recognised_by = "([^"]+)"')
# Those that have no row yet, and what belongs to one: servers, tools, object mappers.
OTHERS = """rack rackup puma unicorn sprockets propshaft ruby bundle bundler gem gemfile
    django flask fastapi gunicorn uvicorn hypercorn granian daphne waitress wsgi python pip
    npm yarn pnpm nextjs nuxt nitro sveltekit adonis nestjs fastify koa hono
    prisma typeorm sequelize knex drizzle mikro kysely laravel symfony artisan phoenix""".split()


def rows():
    return [(name, word, bool(last)) for last, name, word in ROW.findall(text(TABLE))]


def literal_pattern():
    """Whole words in any case; RAILS_ENV has one of them."""
    words = [word for _, word, is_last in rows() if not is_last] + OTHERS
    names = [re.escape(name) for name in FILE.findall(text(TABLE))]
    return re.compile(r"(?<![A-Za-z])(?:%s)(?![A-Za-z])" % "|".join(words + names), re.I)


def in_literals(name, pattern):
    for token in TOKEN.finditer(text(name) or ""):
        if token.group().startswith('"'):
            for found in pattern.finditer(token.group()):
                yield token.start(), found.group()


def in_code(name, pattern):
    for found in pattern.finditer(code(name)):
        yield found.start(), found.group()


def check():
    literal = literal_pattern()
    constant = re.compile(r"\bFRAMEWORK_(?:%s)\b" % "|".join(name for name, _, _ in rows()))
    return ["%s:%d: names %s; what only one framework has belongs in %s" % (
        name, line_of(text(name), offset), what, FOLDER)
            for name in c_files("src/") if not name.startswith(FOLDER)
            for offset, what in [*in_literals(name, literal), *in_code(name, constant)]]
