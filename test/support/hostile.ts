import { randomBytes, randomUUID } from 'node:crypto'
import type { JsonValue } from '../../src/scim/resource.ts'
import { type LookUp, variablesIn } from './case-templates.ts'
import { memberOf } from './checks.ts'
import { makeFixtures, perform, type Received, type RequestTemplate, type Target } from './hostile-client.ts'
import { dotted, type Expectation, gist, judge } from './hostile-judge.ts'

type Step = RequestTemplate & {
  /** Variables by the path of a value in the answer, `$etag` or `$location`. */
  readonly save?: Readonly<Record<string, string>>
  readonly expect?: Expectation
}

/** One hostile request with what it needs before, and what must hold afterwards (fixtures/hostile). */
export interface HostileCase {
  readonly name: string
  /** Features that the service provider configuration must advertise. */
  readonly requires?: readonly string[]
  readonly setup?: readonly Step[]
  readonly request: Step
  readonly expect: Expectation
  readonly after?: readonly Step[]
}

/** The service provider configuration as it is served now. */
export const configurationOf = (target: Target): Promise<Received> =>
  perform({ path: '/ServiceProviderConfig' }, target, () => undefined)

/** Whether `configuration` advertises what a case requires. */
export function offers(configuration: Received, feature: string): boolean {
  if (feature === 'cursor' || feature === 'index') return dotted(configuration.json, `pagination.${feature}`) === true
  return dotted(configuration.json, `${feature}.supported`) === true
}

const GOOD: Expectation = { status: [200, 201, 204] }
/** How long a healthy server may take to say so, on a machine that has much else to do. */
const HEALTHY_WITHIN_MS = 10_000

/**
 * Runs one case and gives what went wrong, in words.
 *
 * @param before the configuration as it was served before any case ran
 */
export async function runCase(hostile: HostileCase, target: Target, before: Received): Promise<string[]> {
  const variables = new Map<string, JsonValue>(Object.entries(variablesFor(target)))
  const lookUp: LookUp = (name) => variables.get(name)
  const secrets = [target.own.key, target.other.key]
  const { setup = [], request, expect, after = [] } = hostile
  await makeFixtures(variablesIn(hostile), target, variables)

  for (const step of setup) {
    const answer = await perform(step, target, lookUp)
    const faults = judge(answer, step.expect ?? GOOD, lookUp, secrets)
    if (faults.length > 0) return faults.map((fault) => `beforehand, ${step.method} ${step.path}: ${fault}`)
    save(step, answer, variables)
  }
  const answer = await inItsTime(() => perform(request, target, lookUp), expect.maxMs)
  const faults = judge(answer, expect, lookUp, secrets)
  save(request, answer, variables)

  if (expect.sameAs) {
    const twin = await perform({ ...request, ...expect.sameAs }, target, lookUp)
    const [one, other] = [answer, twin].map((each) => JSON.stringify(gist(each, namesIn(variables))))
    if (one !== other) faults.push(`it tells apart what it must not: ${one} and ${other}`)
  }
  for (const step of after) {
    const later = await perform(step, target, lookUp)
    const wrong = judge(later, step.expect ?? GOOD, lookUp, secrets)
    faults.push(...wrong.map((fault) => `afterwards, ${step.method} ${step.path}: ${fault}`))
    save(step, later, variables)
  }
  if (expect.serverStillHealthy) faults.push(...illnesses(await configurationOf(target), before))
  return faults
}

/**
 * The answer to `ask`, with the least time of three where it took longer than `maxMs`. On a busy machine anything takes long now and
 * then; what costs the gateway much takes long each time.
 */
async function inItsTime(ask: () => Promise<Received>, maxMs = Number.POSITIVE_INFINITY): Promise<Received> {
  const answer = await ask()
  let { ms } = answer
  for (let again = 0; again < 2 && ms > maxMs; again++) ms = Math.min(ms, (await ask()).ms)
  return { ...answer, ms }
}

function illnesses(now: Received, before: Received): string[] {
  const faults: string[] = []
  if (now.status !== 200) faults.push(`afterwards the configuration is answered ${now.status}`)
  if (now.text !== before.text) faults.push(`afterwards the configuration reads differently: ${now.text.slice(0, 300)}`)
  if (now.ms > HEALTHY_WITHIN_MS) faults.push(`afterwards the configuration took ${Math.round(now.ms)} ms`)
  return faults
}

function save({ save = {} }: Step, { headers, json }: Received, variables: Map<string, JsonValue>): void {
  for (const [name, path] of Object.entries(save)) {
    const special: Record<string, string | undefined> = { $etag: headers.etag, $location: headers.location }
    const value = special[path] ?? dotted(json, path)
    // Left unset, it fails the step that needs it; a refused request has nothing to save.
    if (value !== undefined && value !== null) variables.set(name, value as JsonValue)
  }
}

/** Values that questions may name, so that two answers that repeat them are not told apart by that; longest first. */
const namesIn = (variables: ReadonlyMap<string, JsonValue>): string[] =>
  [...variables]
    .filter(([name, value]) => typeof value === 'string' && value.length > 5 && !ADDRESSES.has(name))
    .map(([, value]) => String(value))
    .sort((a, b) => b.length - a.length)

const ADDRESSES = new Set(['base', 'basePath', 'origin', 'host'])

function variablesFor({ own, other, tenantTemplate, prepared }: Target): Record<string, string> {
  const { base, key } = own
  const { origin, host, pathname } = new URL(base)
  const changed = (at: number) => `${key.slice(0, at)}${key[at] === 'a' ? 'b' : 'a'}${key.slice(at + 1)}`
  const swapped = [...key].map((letter) => (/[a-z]/.test(letter) ? letter.toUpperCase() : letter.toLowerCase()))
  const base64 = (text: string) => Buffer.from(text).toString('base64')
  return {
    ...prepared,
    ...{ base, origin, host, tenantTemplate, token: key, basePath: pathname },
    run: randomBytes(6).toString('hex'),
    uuid: randomUUID(),
    uuid2: randomUUID(),
    tokenTruncated: key.slice(0, -1),
    tokenFlipped: changed(key.length - 1),
    tokenMiddle: changed(Math.floor(key.length / 2)),
    tokenSwapCase: swapped.join(''),
    tokenDoubled: key + key,
    tokenBase64: base64(key),
    tokenBasic: base64(`scim:${key}`),
    tokenBasicUser: base64(`${key}:`),
    otherBase: other.base,
    otherBasePath: new URL(other.base).pathname,
    otherToken: other.key,
  }
}

/** Names of a file's cases; a file of addresses has none. */
export const casesIn = (file: unknown): readonly HostileCase[] =>
  (memberOf(file, 'cases') as readonly HostileCase[] | undefined) ?? []
