import { readFileSync } from 'node:fs'
import { createConfig, lintFromString } from '@redocly/openapi-core'
import { describe, expect, test } from 'vitest'
import { apiDocument } from '../../support/client-types.ts'

const clientTypes = readFileSync(new URL('../../../src/client/api.ts', import.meta.url), 'utf8')
const METHODS = ['get', 'post', 'put', 'patch', 'delete'] as const
const document = apiDocument()
const operations = Object.entries(document.paths ?? {}).flatMap(([path, item]) =>
  METHODS.flatMap((method) => {
    const operation = item[method]
    return operation === undefined ? [] : [{ title: `${method.toUpperCase()} ${path}`, path, method, operation }]
  }),
)

/** What the linter finds wrong, a line each. */
async function faultsOf(described: object): Promise<string[]> {
  const config = await createConfig({
    extends: ['recommended'],
    rules: {
      // The document is served by the gateway itself, whose address and terms are its operator's.
      'info-license': 'off',
      ...{ 'operation-operationId': 'error', 'operation-summary': 'error', 'operation-4xx-response': 'error' },
      ...{ 'operation-operationId-unique': 'error', 'operation-operationId-url-safe': 'error' },
      ...{ 'operation-singular-tag': 'error', 'operation-tag-defined': 'error', 'tag-description': 'error' },
      ...{ 'no-ambiguous-paths': 'error', 'operation-parameters-unique': 'error', 'no-unused-components': 'error' },
      ...{ 'no-invalid-schema-examples': 'error', 'no-invalid-parameter-examples': 'error' },
      'no-invalid-media-type-examples': { severity: 'error', allowAdditionalProperties: false },
    },
  })
  const problems = await lintFromString({ source: JSON.stringify(described), absoluteRef: 'openapi.json', config })
  return problems.map(({ ruleId, message, location }) => `${ruleId} ${location[0]?.pointer}: ${message}`)
}

describe('the OpenAPI document', () => {
  test('is without a fault to a linter, and every example fits its schema', async () => {
    expect(await faultsOf(document)).toEqual([])
  })

  test.each([
    ['of a body', ({ requestBody }: Described) => requestBody],
    ['of an answer', ({ responses }: Described) => responses['201']],
  ])('would have one if the example %s did not fit', async (_, part) => {
    const copy: typeof document = JSON.parse(JSON.stringify(document))
    const { post } = copy.paths?.['/projects'] ?? {}
    const example = part(post as Described)?.content?.['application/json']?.example
    Object.assign(example as object, { key: 1, colour: 'red' })
    const faults = await faultsOf(copy)
    expect(faults).toHaveLength(2)
    expect(faults.map((fault) => fault.split(' ', 1)[0])).toEqual(faults.map(() => 'no-invalid-media-type-examples'))
  })

  test('gives each operation an id like a method, a summary, a tag, and examples of its body and its answers', () => {
    const faults = operations.flatMap(({ title, method, operation }) => {
      const { operationId, summary, tags, requestBody, responses } = operation as Described
      const answers = Object.entries(responses).flatMap(([status, answer]) => (status.startsWith('2') ? [answer] : []))
      const media = [requestBody, ...answers].flatMap((part) => Object.values(part?.content ?? {}))
      return [
        ...(VERBS[method].test(operationId) ? [] : [`${title} has the id ${operationId}`]),
        ...(/^[A-Z].{5,90}[^.]$/.test(summary) ? [] : [`${title} has the summary ${summary}`]),
        ...(document.tags?.some(({ name }) => name === tags[0]) ? [] : [`${title} has the tag ${tags[0]}`]),
        ...(answers.length > 0 ? [] : [`${title} has no answer`]),
        ...(media.every((one) => 'example' in one) ? [] : [`${title} has no example`]),
      ]
    })
    expect(faults).toEqual([])
  })

  test('calls its operations by names that are unique, and short enough to be called', () => {
    const ids = operations.map(({ operation }) => (operation as Described).operationId)
    expect(new Set(ids.map((id) => id.toLowerCase())).size).toBe(ids.length)
    expect(ids.filter((id) => id.length > 40)).toEqual([])
    expect(ids).toEqual(expect.arrayContaining(['createTenant', 'listTenants', 'rotateApiKey', 'createTenantWebhook']))
    // So a generator calls them, as the one of our own client does.
    expect([...clientTypes.matchAll(/^ {2}(\w+): \{$/gm)].map(([, name]) => name)).toEqual(expect.arrayContaining(ids))
  })

  test('names every body and every answer, so that a generator need not invent a name', () => {
    const unnamed = operations.flatMap(({ title, operation }) => {
      const { requestBody, responses } = operation as Described
      return [requestBody, ...Object.values(responses)].flatMap((part) =>
        Object.entries(part?.content ?? {}).flatMap(([type, { schema }]) =>
          type.endsWith('json') && !('$ref' in schema) && schema.type !== 'string' ? [`${title} ${type}`] : [],
        ),
      )
    })
    expect(unnamed).toEqual([])
  })

  test('names path parameters for what they are', () => {
    const names = new Set(operations.flatMap(({ path }) => [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name)))
    expect([...names].filter((name = '') => name.length < 2)).toEqual([])
  })
})

/** How methods of a client begin, by what they do. */
const VERBS = {
  get: /^(?:list|get|check|stream|export)[A-Z]\w+$/,
  post: /^(?:create|add|rotate|replay|test|poll|check|release|import|move|preview|finish|decide|verify|repair)[A-Z]\w+$/,
  put: /^put[A-Z]\w+$/,
  patch: /^update[A-Z]\w+$/,
  delete: /^(?:delete|remove|revoke|undo|complete)[A-Z]\w+$/,
}

interface Content {
  readonly content?: Readonly<
    Record<string, { readonly schema: { readonly type?: string }; readonly example?: unknown }>
  >
}
interface Described {
  readonly operationId: string
  readonly summary: string
  readonly tags: readonly string[]
  readonly requestBody?: Content
  readonly responses: Readonly<Record<string, Content>>
}
