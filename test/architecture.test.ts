import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { expect, test } from 'vitest'

/**
 * Rows of the house, top to bottom. A room is a folder, or one file of a folder that stands higher or lower than the rest of it.
 * A file imports from its own room and from rooms in rows below; neighbours in a row do not know each other.
 */
const ROWS: readonly (readonly string[])[] = [
  [
    ...['main', 'cli', 'serve', 'serving', 'running', 'compile', 'start', 'first-keys', 'banner', 'listen', 'measure'],
    ...['traces', 'kit'],
  ],
  ['app'],
  ['surfaces'],
  ['http/console/console'],
  ['http/console/pages', 'http/console/sign-in', 'http/console/error-page', 'http/portal'],
  ['http/console'],
  ['http/admin'],
  ['http/admin/reference', 'http/admin/directory'],
  ['http/admin/delivery'],
  ['http/scim', 'http/oauth', 'http/ssf', 'http/modes-page', 'http/events-page', 'http/starting'],
  ['http/control'],
  ['http'],
  ['transfer', 'erasure'],
  [
    ...['provisioning', 'delivery', 'history', 'retention', 'connections', 'self-test'],
    ...['administration/bootstrap', 'administration/overview'],
  ],
  ['administration/keys', 'delivery/sending'],
  ['administration'],
  ['request-log', 'mapping'],
  ['repositories/retention'],
  ['repositories/tenant-scope', 'repositories/control', 'repositories/accounts', 'repositories/erasure'],
  ['repositories/history'],
  ['repositories/roles', 'repositories/delivery'],
  ['repositories/memberships', 'repositories/log'],
  ['repositories/query'],
  ['repositories/resources'],
  ['repositories/sql'],
  ['repositories/scope', 'backup', 'mirror'],
  ['db', 'context', 'observability'],
  ['auth', 'config', 'events'],
  ['tenancy'],
  ['network', 'signing', 'explanations'],
  ['compiled-code', 'testing'],
  ['scim', 'client', 'receiver', 'package', 'place-ids', 'thread'],
]
const HOMES: Record<string, readonly string[]> = {
  hono: ['app', 'surfaces', 'http', 'listen', 'start', 'main'],
  '@hono/node-server': ['listen', 'http', 'start', 'main'],
  '@hono/zod-openapi': ['http'],
  'drizzle-orm': ['db', 'repositories'],
  postgres: ['db', 'mirror'],
  '@electric-sql/pglite': ['db'],
  'openid-client': ['auth'],
  jose: ['auth', 'context', 'delivery', 'receiver', 'signing', 'provisioning'],
  'ipaddr.js': ['network'],
  standardwebhooks: ['receiver'],
  undici: ['network', 'delivery'],
  zod: ['config', 'events', 'tenancy', 'http', 'cli'],
  pino: ['observability'],
  'prom-client': ['observability'],
  ...Object.fromEntries(
    ['api', 'context-async-hooks', 'core', 'exporter-trace-otlp-http', 'exporter-trace-otlp-proto', 'resources'].map(
      (name) => [`@opentelemetry/${name}`, ['observability']],
    ),
  ),
  '@opentelemetry/sdk-trace-base': ['observability'],
  'lru-cache': ['auth', 'context', 'observability', 'repositories'],
  dataloader: ['repositories'],
  uuid: ['http', 'administration', 'delivery', 'erasure', 'repositories'],
  'openapi-fetch': ['client'],
  'rate-limiter-flexible': ['http'],
  marked: ['http'],
  parse5: ['http'],
  'close-with-grace': ['main', 'start'],
  commander: ['cli'],
  yaml: ['cli'],
}

/** Files in one room, and lines in one file, that a reader can hold. */
const MOST_FILES = 20
const MOST_LINES = 300
/** Larger ones, with the reason why each is better whole. */
const WHOLE: Readonly<Record<string, string>> = {
  'client/api.ts': 'it is generated',
  db: 'two engines and what opens them; each file is named for the engine that it serves',
}

const SRC = join(import.meta.dirname, '../src')
const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter((file) => /\.tsx?$/.test(file))
const ROOMS = ROWS.flat()
/** The room of a file: the longest entry of the table that is its path, or a folder around it. */
const roomOf = (file: string): string | undefined => {
  const parts = file.replace(/\.tsx?$/, '').split('/')
  return parts.map((_, i) => parts.slice(0, parts.length - i).join('/')).find((path) => ROOMS.includes(path))
}
const rowOf = (room: string | undefined) => ROWS.findIndex((row) => room !== undefined && row.includes(room))
/** The folder or file at the top of `src`, where packages have their homes. */
const placeOf = (file: string) => (file.split('/')[0] as string).replace(/\.tsx?$/, '')
const importsOf = (file: string) =>
  [...readFileSync(join(SRC, file), 'utf8').matchAll(/^(?:import|export)\s[^'"=]*?from\s+'([^']+)'/gm)].map(
    (match) => match[1] as string,
  )
const within = (file: string, specifier: string) => relative(SRC, join(SRC, dirname(file), specifier))

test('every file has its room', () => {
  expect(files.filter((file) => roomOf(file) === undefined)).toEqual([])
  expect(ROOMS.filter((room) => !files.some((file) => roomOf(file) === room))).toEqual([])
})

test('imports lead downwards, those of types too', () => {
  const upwards = files.flatMap((file) =>
    neighboursOf(file)
      .filter((target) => {
        const [here, there] = [roomOf(file), roomOf(target)]
        // What stands at the very top is one surface.
        if (here === there || (rowOf(here) === 0 && rowOf(there) === 0)) return false
        return rowOf(there) <= rowOf(here)
      })
      .map((target) => `${file} -> ${target}`),
  )
  expect(upwards).toEqual([])
})

test('no file imports itself by way of others, not even for a type', () => {
  expect(circles(new Map(files.map((file) => [file, neighboursOf(file)])))).toEqual([])
})

test('a circle of imports is found, wherever it begins', () => {
  const graph = { a: ['b'], b: ['c', 'd'], c: ['b'], d: [], e: ['a'] }
  expect(circles(new Map(Object.entries(graph)))).toEqual(['b -> c -> b'])
})

test('a room holds what a reader can keep in mind', () => {
  const filesOf = (room: string) => files.filter((file) => roomOf(file) === room && dirname(file) === room)
  const crowded = ROOMS.filter((room) => filesOf(room).length > MOST_FILES).filter((room) => !(room in WHOLE))
  expect(crowded).toEqual([])
  const long = files.filter((file) => lines(file) > MOST_LINES).filter((file) => !(file in WHOLE))
  expect(long).toEqual([])
})

test('packages are used where they live', () => {
  const strays = files.flatMap((file) =>
    importsOf(file)
      .filter((specifier) => !specifier.startsWith('.') && !specifier.startsWith('node:'))
      .map((specifier) =>
        specifier
          .split('/')
          .slice(0, specifier.startsWith('@') ? 2 : 1)
          .join('/'),
      )
      .filter((name) => !HOMES[name]?.includes(placeOf(file)))
      .map((name) => `${file} -> ${name}`),
  )
  expect(strays).toEqual([])
})

test('the protocol core is pure: synchronous, without packages, clocks or chance', () => {
  const core = files.filter((file) => file.startsWith('scim/'))
  expect(core.length).toBeGreaterThan(20)
  for (const file of core) {
    const text = readFileSync(join(SRC, file), 'utf8')
    expect(
      importsOf(file).filter((specifier) => !specifier.startsWith('.')),
      file,
    ).toEqual([])
    expect(text, file).not.toMatch(
      /(?<!-)\basync\b|\bawait\b|Date\.now|new Date\(\)|randomUUID|Math\.random|performance\./,
    )
  }
})

/** Files of `src` that a file imports. */
function neighboursOf(file: string): string[] {
  return importsOf(file)
    .filter((specifier) => specifier.startsWith('.'))
    .map((specifier) => within(file, specifier))
}

function lines(file: string): number {
  return readFileSync(join(SRC, file), 'utf8').split('\n').length - 1
}

/** Each circle once, as `a -> b -> a`; the first way back that a walk from the first file meets. */
function circles(graph: ReadonlyMap<string, readonly string[]>): string[] {
  const done = new Set<string>()
  const found: string[] = []
  const walk = (file: string, way: readonly string[]) => {
    if (way.includes(file)) {
      found.push([...way.slice(way.indexOf(file)), file].join(' -> '))
      return
    }
    if (done.has(file)) return
    for (const next of graph.get(file) ?? []) walk(next, [...way, file])
    done.add(file)
  }
  for (const file of graph.keys()) walk(file, [])
  return found
}
