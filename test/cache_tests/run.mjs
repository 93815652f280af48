// run.mjs - runs the public suite of HTTP caches against a proxy, and prints what became of each test as JSON.
// SPDX-License-Identifier: MIT
//
//   node run.mjs http://127.0.0.1:PORT [TEST…]    all tests that a proxy faces, or these
//
// A test that builds on another one is of no account where that one fails: its outcome is `dependency`. `setup` is a test
// whose preparation did not work, which says nothing about its subject.

import fetch from 'node-fetch'
import { getResults, runTests } from 'http-cache-tests/client/runner.mjs'
import surrogate from 'http-cache-tests/tests/surrogate-control.mjs'
import suites from 'http-cache-tests/tests/index.mjs'

const AT_ONCE = 50
const [base, ...chosen] = process.argv.slice(2)
const all = [...suites, surrogate].flatMap(suite => suite.tests.map(test => ({ ...test, suite: suite.id })))
  .filter(test => !test.browser_only)
const byId = new Map(all.map(test => [test.id, test]))

// What has to be run for a test to be judged: itself, and what it builds on.
function withDependencies (id, into) {
  if (into.has(id)) return
  into.add(id)
  for (const other of byId.get(id).depends_on ?? []) withDependencies(other, into)
}

function outcome (test, results) {
  const result = results[test.id]
  if ((test.depends_on ?? []).some(id => outcome(byId.get(id), results) !== 'pass')) return 'dependency'
  if (result === true) return 'pass'
  return { Assertion: 'fail', Setup: 'setup' }[result[0]] ?? 'error'
}

const wanted = new Set()
for (const id of chosen.length ? chosen : byId.keys()) withDependencies(id, wanted)
await runTests([{ tests: all.filter(test => wanted.has(test.id)) }], fetch, false, base, AT_ONCE)
const results = getResults()
const found = {}
for (const id of wanted) {
  const test = byId.get(id)
  found[id] = {
    kind: test.kind ?? 'required',
    suite: test.suite,
    outcome: outcome(test, results),
    why: results[id] === true ? '' : results[id][1]
  }
}
console.log(JSON.stringify(found, null, 1))
process.exit(0)
