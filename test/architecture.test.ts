import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { expect, test } from 'vitest'

/** Rows of the house, top to bottom: a folder imports from rows below its own; neighbours do not know each other. */
const ROWS: readonly (readonly string[])[] = [
  ['main', 'cli', 'serve', 'start', 'first-keys', 'banner', 'listen'],
  ['app'],
  ['surfaces'],
  ['http'],
  ['transfer'],
  ['provisioning', 'administration', 'delivery'],
  ['repositories'],
  ['db', 'context', 'events', 'observability', 'config'],
  ['scim', 'client', 'package', 'place-ids'],
]
const HOMES: Record<string, readonly string[]> = {
  hono: ['app', 'surfaces', 'http', 'listen', 'start', 'main'],
  '@hono/node-server': ['listen', 'http', 'start', 'main'],
  '@hono/zod-openapi': ['http'],
  'drizzle-orm': ['db', 'repositories'],
  postgres: ['db'],
  '@electric-sql/pglite': ['db'],
  jose: ['context', 'provisioning'],
  'ipaddr.js': ['context'],
  standardwebhooks: ['delivery'],
  undici: ['context', 'delivery'],
  zod: ['config', 'context', 'http'],
  pino: ['observability'],
  'lru-cache': ['context', 'db'],
  dataloader: ['repositories'],
  uuid: ['http', 'administration', 'delivery', 'repositories'],
  'openapi-fetch': ['client'],
  'rate-limiter-flexible': ['http'],
  'close-with-grace': ['main', 'start'],
  commander: ['cli'],
}

const SRC = join(import.meta.dirname, '../src')
const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter((file) => /\.tsx?$/.test(file))
const placeOf = (file: string) => (file.split('/')[0] as string).replace(/\.tsx?$/, '')
const rowOf = (place: string) => ROWS.findIndex((row) => row.includes(place))
const importsOf = (file: string) =>
  [...readFileSync(join(SRC, file), 'utf8').matchAll(/^(?:import|export)\s[^'"=]*?from\s+'([^']+)'/gm)].map(
    (match) => match[1] as string,
  )
const within = (file: string, specifier: string) => relative(SRC, join(SRC, dirname(file), specifier))

test('every folder has its row', () => {
  expect(files.map(placeOf).filter((place) => rowOf(place) === -1)).toEqual([])
})

test('imports lead downwards', () => {
  const upwards = files.flatMap((file) =>
    importsOf(file)
      .filter((specifier) => specifier.startsWith('.'))
      .map((specifier) => placeOf(within(file, specifier)))
      .filter(
        (target) => target !== placeOf(file) && rowOf(target) <= rowOf(placeOf(file)) && !sameTopRow(file, target),
      )
      .map((target) => `${file} -> ${target}`),
  )
  expect(upwards).toEqual([])
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

/** What stands at the very top (main, cli, serve, start, first-keys, banner, listen) is one surface. */
function sameTopRow(file: string, target: string): boolean {
  return ROWS[0]?.includes(placeOf(file)) === true && ROWS[0].includes(target)
}
