// Answers as @openfeature/flagd-core does. Each line of standard input is one job:
// a flagd file and the questions to ask of it; each line of output is its answers.
//
//   {"now": SECONDS, "file": {…}, "questions": [{"key": …, "context": {…}}]}
//   {"valid": BOOL, "why": STRING, "answers": [{"value", "variant", "reason", "code", "metadata"}]}
import { createInterface } from 'node:readline'
import { FlagdCore, MemoryStorage } from '@openfeature/flagd-core'

const quiet = { error () {}, warn () {}, info () {}, debug () {} }
const codeDefault = Symbol('the default of the code')

function valid (text) {
  try {
    new MemoryStorage(quiet).setConfigurations(text, true)
    return ''
  } catch (e) {
    return String(e.message)
  }
}

function answer (core, { key, context }) {
  const flag = core.getFlag(key)
  const first = flag ? [...flag.variants.values()][0] : true
  const resolve = {
    boolean: 'resolveBooleanEvaluation',
    string: 'resolveStringEvaluation',
    number: 'resolveNumberEvaluation'
  }[typeof first] ?? 'resolveObjectEvaluation'
  const r = core[resolve](key, codeDefault, context, quiet)
  return {
    value: r.value === codeDefault ? null : r.value,
    variant: r.variant ?? '',
    reason: r.reason,
    code: r.errorCode ?? '',
    metadata: r.flagMetadata ?? {}
  }
}

for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
  const job = JSON.parse(line)
  const text = JSON.stringify(job.file)
  Date.now = () => job.now * 1000
  const why = valid(text)
  const out = { valid: why === '', why: why.slice(0, 2000), answers: [] }
  try {
    const core = new FlagdCore(new MemoryStorage(quiet), quiet)
    core.setConfigurations(text)
    out.answers = job.questions.map((q) => answer(core, q))
  } catch (e) {
    out.why ||= String(e.message)
  }
  process.stdout.write(JSON.stringify(out) + '\n')
}
