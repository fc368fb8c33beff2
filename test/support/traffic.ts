import { randomBytes, randomUUID } from 'node:crypto'
import type { JsonObject, JsonValue } from '../../src/scim/resource.ts'
import { fill, fillText, type LookUp } from './case-templates.ts'
import { broken, type Check, memberOf, valueAt } from './checks.ts'
import type { Gateway } from './gateway.ts'
import { jsonIn, send, type WireAnswer } from './http-client.ts'

type HeaderTemplates = Readonly<Record<string, string | null>>

interface RequestTemplate {
  readonly method: string
  readonly path: string
  readonly headers?: HeaderTemplates
  readonly body?: JsonValue
  /** `form`: spaces of the query are sent as `+`. */
  readonly encoding?: 'form'
}

interface Step {
  readonly name: string
  readonly request: RequestTemplate
  readonly expect: { readonly status: number | number[]; readonly json?: JsonObject[]; readonly headers?: JsonObject[] }
  readonly save?: Readonly<Record<string, string>>
  readonly repeat?: number
  readonly parallel?: boolean
}

/** One recorded scenario of an identity provider (fixtures/idp-traffic); texts and keys are templates. */
export interface Scenario {
  readonly idp: string
  readonly scenario: string
  /** What the application has published before, as the admin API takes it. */
  readonly catalogue?: object
  readonly vars?: Readonly<Record<string, string>>
  readonly headers?: HeaderTemplates
  readonly steps: readonly Step[]
  readonly cleanup?: readonly { readonly path: string; readonly repeat?: number }[]
}

/** Where the catalogue of a scenario is published: a place on the admin API, with a key for it. */
export interface CatalogueAt {
  readonly place: string
  readonly adminKey: string
}

/** The default tenant of a test's gateway, as such a place. */
export const catalogueAt = ({ origin, project, environment, adminKey }: Gateway): CatalogueAt => ({
  place: `${origin}/api/v1/projects/${project}/environments/${environment}/tenants/default`,
  adminKey,
})

async function publish(
  { place, adminKey }: CatalogueAt,
  method: 'PUT' | 'DELETE',
  catalogue?: object,
): Promise<string[]> {
  const headers = { Authorization: `Bearer ${adminKey}`, 'Content-Type': 'application/json' }
  const body = catalogue === undefined ? {} : { body: JSON.stringify(catalogue) }
  const { ok, status } = await fetch(`${place}/catalogue`, { method, headers, ...body })
  return ok ? [] : [`${method} of the catalogue: ${status}`]
}

/** Plays a scenario against a base URL and gives what went wrong, in words, one entry per fault. */
export async function play(scenario: Scenario, base: string, key: string, at?: CatalogueAt): Promise<string[]> {
  const { catalogue } = scenario
  if (catalogue === undefined) return playSteps(scenario, base, key)
  if (at === undefined) return ['the scenario needs a place for its catalogue']
  const published = await publish(at, 'PUT', catalogue)
  return [...published, ...(await playSteps(scenario, base, key)), ...(await publish(at, 'DELETE'))]
}

async function playSteps(scenario: Scenario, base: string, key: string): Promise<string[]> {
  const run = randomBytes(5).toString('hex')
  const variables = new Map<string, JsonValue>([
    ['run', run],
    ['random', run],
    ['token', key],
    ['base', base],
  ])
  const lookUp: LookUp = (name) => (name === 'uuid' ? randomUUID() : variables.get(name))
  const inTurn =
    (i: number): LookUp =>
    (name) =>
      name === 'i' ? i : lookUp(name)
  for (const [name, template] of Object.entries(scenario.vars ?? {})) variables.set(name, fill(template, lookUp))

  const faults: string[] = []
  for (const [index, step] of scenario.steps.entries()) {
    const once = async (i: number) => {
      const found = await playStep(scenario, step, base, key, inTurn(i), variables).catch((error: Error) => [
        error.message,
      ])
      faults.push(...found.map((fault) => `step ${index + 1} "${step.name}": ${fault}`))
    }
    const turns = Array.from({ length: step.repeat ?? 1 }, (_, i) => i + 1)
    if (step.parallel) await Promise.all(turns.map(once))
    else for (const i of turns) await once(i)
  }
  for (const { path, repeat } of scenario.cleanup ?? []) {
    for (let i = 1; i <= (repeat ?? 1); i++) {
      // A step that failed leaves variables unset, and then there is nothing to delete.
      await transmit(scenario, { method: 'DELETE', path }, base, key, inTurn(i)).catch(() => undefined)
    }
  }
  return faults
}

async function playStep(
  scenario: Scenario,
  { request, expect, save = {} }: Step,
  base: string,
  key: string,
  lookUp: LookUp,
  variables: Map<string, JsonValue>,
): Promise<string[]> {
  const answer = await transmit(scenario, request, base, key, lookUp)
  const allowed = [expect.status].flat()
  if (!allowed.includes(answer.status))
    return [`status ${answer.status} instead of ${allowed.join(' or ')}: ${answer.text}`]

  const faults = (expect.headers ?? []).flatMap((template) => {
    const check = fill(template, lookUp) as Check
    return broken(check, answer.headers[String(check.name).toLowerCase()], `header ${check.name}`)
  })
  const nothingToRead = answer.status === 204 && allowed.length > 1
  if (nothingToRead && Object.keys(save).length === 0) return faults

  const document = jsonIn(answer.text)
  // An answer with 200 or 201 carries its document; one without is a 204 (RFC 7644 §3.3, §3.5).
  if (document === undefined && [200, 201].includes(answer.status)) faults.push(`status ${answer.status} without JSON`)
  for (const template of expect.json ?? []) {
    const check = fill(template, lookUp) as Check
    faults.push(...broken(check, valueAt(document, String(check.path)), String(check.path)))
  }
  for (const [name, path] of Object.entries(save)) {
    const value = valueAt(document, fillText(path, lookUp)) as JsonValue | undefined
    if (value === undefined || value === null) faults.push(`there is no ${path} to save`)
    else variables.set(fillText(name, lookUp), value)
  }
  return faults
}

async function transmit(
  scenario: Scenario,
  request: RequestTemplate,
  base: string,
  key: string,
  lookUp: LookUp,
): Promise<WireAnswer> {
  const { origin, pathname } = new URL(base)
  const { method, body } = request
  return send({
    ...{ method, origin },
    target: pathname + targetOf(request, lookUp),
    headers: headersOf(scenario.headers ?? {}, request, key, lookUp),
    body: body === undefined ? undefined : Buffer.from(JSON.stringify(fill(body, lookUp))),
  })
}

/** The path with its variables, and the query with names and values percent-encoded. */
function targetOf({ path, encoding }: RequestTemplate, lookUp: LookUp): string {
  const [address = '', ...rest] = path.split('?')
  const query = rest.join('?')
  const encode = (text: string) => {
    const encoded = encodeURIComponent(fillText(text, lookUp))
    return encoding === 'form' ? encoded.replaceAll('%20', '+') : encoded
  }
  const pairs = query.split('&').map((pair) => {
    const [name = '', ...value] = pair.split('=')
    return value.length === 0 ? encode(name) : `${encode(name)}=${encode(value.join('='))}`
  })
  return fillText(address, lookUp, encodeURIComponent) + (query === '' ? '' : `?${pairs.join('&')}`)
}

function headersOf(ofScenario: HeaderTemplates, { headers = {}, body }: RequestTemplate, key: string, lookUp: LookUp) {
  const sent = new Map<string, string | null>([
    ['accept', 'application/scim+json'],
    ['authorization', `Bearer ${key}`],
    ['content-type', 'application/scim+json'],
  ])
  for (const [name, value] of Object.entries(ofScenario)) sent.set(name.toLowerCase(), value)
  if (body === undefined) sent.delete('content-type')
  for (const [name, value] of Object.entries(headers)) sent.set(name.toLowerCase(), value)
  return Object.fromEntries(
    [...sent].flatMap(([name, value]) => (value === null ? [] : [[name, fillText(value, lookUp)]])),
  )
}

/** What a scenario is called in the list of tests. */
export const titleOf = (scenario: unknown): string => `${memberOf(scenario, 'idp')} / ${memberOf(scenario, 'scenario')}`
