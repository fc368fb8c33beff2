import { isDeepStrictEqual } from 'node:util'
import type { JsonValue } from '../../src/scim/resource.ts'
import { ERROR } from '../../src/scim/urn.ts'
import { fillText, type LookUp } from './case-templates.ts'
import { brief, memberOf } from './checks.ts'
import type { Received, RequestTemplate } from './hostile-client.ts'

/** What a case allows its answer to be. */
export interface Expectation {
  /** Every status allowed; 0 is a connection closed, or kept waiting, without an answer. */
  readonly status: readonly number[]
  readonly scimType?: string | readonly string[]
  readonly never?: readonly string[]
  readonly must?: readonly string[]
  readonly equals?: Readonly<Record<string, JsonValue>>
  /** Allowed statuses of single bulk operations, by index. */
  readonly ops?: Readonly<Record<string, readonly number[]>>
  readonly sameAs?: RequestTemplate
  /** Patterns by header name. */
  readonly headers?: Readonly<Record<string, string>>
  readonly maxMs?: number
  readonly maxBytes?: number
  readonly pipeline?: readonly (readonly number[])[]
  readonly pipelineMin?: number
  readonly scimError?: false
  readonly serverStillHealthy?: boolean
}

/** What no answer may show, whatever was asked. */
const INSIDES: readonly (readonly [string, RegExp])[] = [
  ['a stack trace', /\n\s+at |\bat (?:\S+ )?\(?(?:file:|node:|\/)\S+:\d+:\d+/],
  ['a place in the code', /node_modules|node:internal|file:\/\/|\/src\/|\/dist\//],
  ['an error of the language', /\b(?:Type|Range|Reference|URI|Syntax|Aggregate)Error\b/],
  ['words of the JSON parser', /Unexpected (?:token|end of|non-whitespace)|in JSON at|Expected property name/],
  ['words of the database', /syntax error at|invalid input syntax|duplicate key|violates \w+(?:[ -]\w+)? constraint/i],
  ['words of the database', /unsupported Unicode|invalid byte sequence|value too long for type|out of range for type/i],
  ['a statement', /\bselect\b.{0,200}\bfrom\b|\binsert into\b|\bdelete from\b|\bupdate\b.{0,200}\bset\b/i],
  ['the name of a library', /drizzle|postgres|pglite|hono\b/i],
  ['words of the runtime', /call stack|heap out of memory|ECONN|ENOENT|EACCES/],
]

/** What of an answer is not as `expect` has it, in words. `secrets` are keys that nothing may show. */
export function judge(answer: Received, expect: Expectation, lookUp: LookUp, secrets: readonly string[]): string[] {
  const filled = (text: string) => fillText(text, lookUp)
  const shown = `${answer.text}\n${JSON.stringify(answer.headers)}`
  const faults: string[] = []
  const fault = (wrong: boolean, words: string) => {
    if (wrong) faults.push(words)
  }

  fault(
    !expect.status.includes(answer.status),
    `status ${answer.status}, not ${expect.status.join('/')}: ${answer.text.slice(0, 300)}`,
  )
  for (const [what, pattern] of INSIDES)
    fault(pattern.test(answer.text), `it shows ${what}: ${answer.text.slice(0, 300)}`)
  fault(
    secrets.some((secret) => shown.includes(secret)),
    'it shows an API key',
  )
  for (const text of expect.never ?? []) fault(shown.includes(filled(text)), `it shows ${brief(filled(text))}`)
  for (const [name, pattern] of Object.entries(expect.headers ?? {})) {
    const value = answer.headers[name.toLowerCase()]
    fault(!new RegExp(filled(pattern), 'i').test(value ?? ''), `header ${name} is ${brief(value)}, not /${pattern}/`)
  }
  fault(
    answer.ms > (expect.maxMs ?? Number.POSITIVE_INFINITY),
    `it took ${Math.round(answer.ms)} ms, not ${expect.maxMs}`,
  )
  const bytes = Buffer.byteLength(answer.text)
  fault(bytes > (expect.maxBytes ?? Number.POSITIVE_INFINITY), `it has ${bytes} bytes, not ${expect.maxBytes}`)

  if (answer.status >= 200 && answer.status < 300) faults.push(...judgeContents(answer, expect, lookUp))
  if (answer.status >= 400 && answer.status < 500 && answer.bodyCounts && expect.scimError !== false)
    faults.push(...judgeError(answer, expect))
  answer.pipeline.forEach((status, i) => {
    const allowed = expect.pipeline?.[i] ?? []
    fault(
      expect.pipeline !== undefined && !allowed.includes(status),
      `answer ${i + 1} has ${status}, not ${allowed.join('/')}`,
    )
  })
  const enough = answer.closed || answer.pipeline.length >= (expect.pipelineMin ?? 0)
  fault(!enough, `${answer.pipeline.length} answers on the connection, not ${expect.pipelineMin}`)
  return faults
}

function judgeContents({ text, headers, json }: Received, expect: Expectation, lookUp: LookUp): string[] {
  const shown = `${text}\n${JSON.stringify(headers)}`
  const lacking = (expect.must ?? []).map((each) => fillText(each, lookUp)).filter((each) => !shown.includes(each))
  const different = Object.entries(expect.equals ?? {}).flatMap(([path, wanted]) => {
    const value = dotted(json, path)
    const allowed = [wanted].flat().map((each) => (typeof each === 'string' ? fillText(each, lookUp) : each))
    const fits = allowed.some((each) => isDeepStrictEqual(each, value) || (each === null && value === undefined))
    return fits ? [] : [`${path} is ${brief(value)}, not ${brief(allowed)}`]
  })
  const refused = Object.entries(expect.ops ?? {}).flatMap(([index, allowed]) => {
    const status = dotted(json, `Operations.${index}.status`)
    const inside = dotted(json, `Operations.${index}.response.status`)
    if (!allowed.map(String).includes(String(status)))
      return [`operation ${index} has ${brief(status)}, not ${allowed.join('/')}`]
    return inside === undefined || inside === status
      ? []
      : [`operation ${index} has ${status}, and its error ${brief(inside)}`]
  })
  return [...lacking.map((each) => `it lacks ${brief(each)}`), ...different, ...refused]
}

/** Every refusal is a SCIM error that says its own status, as a string (RFC 7644 §3.12). */
function judgeError({ status, json, text }: Received, { scimType }: Expectation): string[] {
  const schemas = memberOf(json, 'schemas')
  if (!Array.isArray(schemas) || !schemas.includes(ERROR))
    return [`a ${status} that is no SCIM error: ${text.slice(0, 200)}`]
  const faults: string[] = []
  if (memberOf(json, 'status') !== String(status))
    faults.push(`a ${status} whose error says ${brief(memberOf(json, 'status'))}`)
  const given = memberOf(json, 'scimType')
  const classified = scimType !== undefined && (status === 400 || status === 409)
  if (classified && ![scimType].flat().includes(String(given)))
    faults.push(`scimType is ${brief(given)}, not ${[scimType].flat().join('/')}: ${text.slice(0, 200)}`)
  return faults
}

/** The value at a path such as `Resources.0.id`. */
export const dotted = (value: unknown, path: string): unknown =>
  path.split('.').reduce((found, name) => memberOf(found, name), value)

const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/gi

/** What an answer says about its question, with everything that the question itself named made alike. */
export function gist({ status, headers, text, json }: Received, named: readonly string[]): JsonValue {
  const alike = (words: string) => named.reduce((left, each) => left.replaceAll(each, '…'), words).replaceAll(UUID, '…')
  const scimType = memberOf(json, 'scimType')
  const refusal = status < 400 ? null : alike(String(memberOf(json, 'detail') ?? text))
  return [status, headers['content-type'] ?? null, scimType === undefined ? null : String(scimType), refusal]
}
