import { createHash } from 'node:crypto'
import { Hono } from 'hono'
import { describe, expect, test } from 'vitest'
import { referencePage } from '../../src/http/admin/reference/reference-page.tsx'
import { eventsPage } from '../../src/http/events-page.tsx'
import { frontPage } from '../../src/http/front-page.ts'
import { modesPage } from '../../src/http/modes-page.tsx'
import { apiDocument } from '../support/client-types.ts'

const app = new Hono().route('/', modesPage()).route('/', eventsPage()).route('/', referencePage(apiDocument))
const read = async (path: string) => {
  const answer = await app.request(path)
  return { answer, text: await answer.text() }
}

describe.each(['/docs/modes', '/docs/events', '/api/docs'])('%s', (path) => {
  test('is complete in itself: no script, nothing loaded from anywhere, and a policy that says so', async () => {
    const { answer, text } = await read(path)
    expect(answer.headers.get('Content-Type')).toMatch(/^text\/html/)
    expect(text).toMatch(/^<!doctype html>/)
    expect(text).not.toMatch(/<script|<link|<img|<iframe|\bstyle=|\son[a-z]+=|url\(|@import/i)
    expect(text).not.toMatch(/(?:src|href)="(?:https?:)?\/\//)
    const style = /<style>([\s\S]*?)<\/style>/.exec(text)?.[1] ?? ''
    const hash = createHash('sha256').update(style).digest('base64')
    const policy = answer.headers.get('Content-Security-Policy')?.split('; ')
    expect(policy).toEqual(expect.arrayContaining(["default-src 'none'", `style-src 'sha256-${hash}'`]))
    expect(policy?.join()).not.toContain('unsafe')
    expect(answer.headers.get('X-Content-Type-Options')).toBe('nosniff')
  })

  test('is the same whenever it is asked for', async () => {
    expect((await read(path)).text).toBe((await read(path)).text)
  })

  test('is not sent again to who has it, nor made again', async () => {
    const { answer } = await read(path)
    const tag = answer.headers.get('ETag') ?? ''
    expect([tag, answer.headers.get('Cache-Control')]).toEqual([
      expect.stringMatching(/^"[\w-]{43}"$/),
      'public, max-age=300',
    ])
    const ask = (known: string) => app.request(path, { headers: { 'If-None-Match': known } })
    for (const known of [tag, `"other", W/${tag}`, '*']) {
      const again = await ask(known)
      expect([again.status, await again.text(), again.headers.get('ETag')]).toEqual([304, '', tag])
    }
    expect((await ask('"other"')).status).toBe(200)
  })

  test('has every anchor that it refers to, once', async () => {
    const { text } = await read(path)
    const ids = [...text.matchAll(/\bid="([^"]+)"/g)].map((match) => match[1])
    expect(new Set(ids).size).toBe(ids.length)
    for (const [, target] of text.matchAll(/href="#([^"]+)"/g)) expect(ids).toContain(target)
  })
})

test('/api/docs shows every route with its summary and examples, every schema and every description of the OpenAPI document', async () => {
  const { text } = await read('/api/docs')
  const plain = asPlain(text)
  const document = apiDocument()
  const routes = Object.entries(document.paths ?? {})
  expect(routes.length).toBeGreaterThan(20)
  for (const [path, item] of routes)
    for (const method of Object.keys(item)) expect(plain).toContain(`${method.toUpperCase()} ${path}`)
  const operations = routes.flatMap(([, item]) => Object.values(item as Record<string, Described>))
  for (const { summary } of operations) expect(plain.split(summary).length).toBeGreaterThan(2)
  const shown = new Set([...text.matchAll(/<pre>(.*?)<\/pre>/gs)].map(([, example = '']) => asPlain(example)))
  for (const { requestBody, responses } of operations)
    for (const { example } of [requestBody, ...Object.values(responses)].flatMap((part) =>
      Object.entries(part?.content ?? {}).flatMap(([type, media]) => (type.includes('problem') ? [] : [media])),
    ))
      expect(shown).toContain(typeof example === 'string' ? example : JSON.stringify(example, null, 2))
  for (const name of Object.keys(document.components?.schemas ?? {})) expect(text).toContain(`id="schema-${name}"`)
  const tags = operations.flatMap((one) => one.tags)
  expect([...new Set(tags)].sort()).toEqual(document.tags?.map(({ name }) => name).sort())
  for (const [, description] of JSON.stringify(document).matchAll(/"description":("(?:[^"\\]|\\.)*")/g))
    for (const paragraph of (JSON.parse(description as string) as string).split('\n\n'))
      expect(plain).toContain(paragraph.replaceAll('`', ''))
})

interface Described {
  readonly summary: string
  readonly tags: readonly string[]
  readonly requestBody?: Content
  readonly responses: Readonly<Record<string, Content>>
}
interface Content {
  readonly content?: Readonly<Record<string, { readonly example?: unknown }>>
}

const asPlain = (text: string): string =>
  text
    .replaceAll(/<[^>]+>/g, '')
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&')

describe('/', () => {
  const at = (accept?: string) => frontPage().request('/', accept === undefined ? {} : { headers: { Accept: accept } })

  test.each([
    ['text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8'],
    ['text/html'],
    ['application/json;q=0.5, text/html'],
  ])('leads a browser, which accepts %s, to the console', async (accept) => {
    const { status, headers } = await at(accept)
    expect([status, headers.get('Location'), headers.get('Vary')]).toEqual([302, '/console', 'Accept'])
  })

  test.each([
    [undefined],
    ['*/*'],
    ['application/json'],
    ['application/scim+json'],
    ['text/html;q=0.1, application/json'],
  ])('tells a client that accepts %s the addresses, and nothing of any tenant', async (accept) => {
    const answer = await at(accept)
    expect([answer.status, answer.headers.get('Vary')]).toEqual([200, 'Accept'])
    expect(await answer.json()).toEqual({
      scimBaseUrl: '/scim/v2/{project}/{environment}/v2/{tenant}',
      adminApi: { url: '/api/v1', docs: '/api/docs', openapi: '/api/v1/openapi.json' },
      operations: { console: '/console', live: '/livez', ready: '/readyz' },
    })
  })
})
