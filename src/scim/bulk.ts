import { ScimError } from './errors.ts'
import { isObject, type JsonObject, type JsonValue, memberIgnoringCase } from './resource.ts'
import { BULK_REQUEST, sameUrn } from './urn.ts'
import { type Precondition, parseIfMatch } from './version.ts'

/**
 * One operation of a BulkRequest (RFC 7644 §3.7): to be run, or refused as it stands. `index` is its 0-based place in the
 * request; `endpoint` is a segment such as `Users`; `id` may be `bulkId:x`, for a resource that the request creates.
 */
export type BulkOperation = { readonly index: number; readonly path: string; readonly endpoint: string } & (
  | { readonly method: 'POST'; readonly bulkId: string; readonly data: JsonObject }
  | (Target & { readonly method: 'PUT' | 'PATCH'; readonly data: JsonObject })
  | (Target & { readonly method: 'DELETE' })
)

interface Target {
  readonly id: string
  readonly bulkId: string | undefined
  readonly ifMatch: Precondition | undefined
}

/** An operation that cannot be run; it fails alone (B-06). `method`, `bulkId` and `path` are there where readable. */
export interface RefusedOperation {
  readonly index: number
  readonly method: string | undefined
  readonly bulkId: string | undefined
  readonly path: string | undefined
  readonly error: ScimError
}

export interface BulkPlan {
  readonly operations: readonly (BulkOperation | RefusedOperation)[]
  /** The request ends after this many failed operations; undefined: it never does. */
  readonly failOnErrors: number | undefined
  /** By bulkId, the index of the operation that creates it, refused or not: a bulkId that is not here is unknown (B-08). */
  readonly creates: ReadonlyMap<string, number>
  /** By an operation's index, the bulkIds that it refers to. */
  readonly references: readonly (readonly string[])[]
}

const tooMany = (count: number, most: number): ScimError =>
  ScimError.tooLarge('bulk-too-large', `${count} operations are more than maxOperations (${most})`)

const METHODS = ['POST', 'PUT', 'PATCH', 'DELETE'] as const
const PREFIX = 'bulkId:'
const PATH = /^\/([^/?#\\]+)(?:\/([^/?#\\]+))?\/?$/
const NOT_INSIDE = new Set(['bulk', 'me', '.search'])

/** Tells the two kinds of `BulkPlan.operations` apart. */
export const isRefused = (operation: BulkOperation | RefusedOperation): operation is RefusedOperation =>
  'error' in operation

/**
 * Reads a BulkRequest (RFC 7644 §3.7), operation by operation: it yields before each. What is wrong with one operation refuses
 * that operation only.
 *
 * @throws {ScimError} invalidSyntax for what is no BulkRequest, invalidValue for failOnErrors, 413 for too many operations
 */
export function* parseBulk(
  body: JsonValue,
  limits: { readonly maxOperations: number },
): Generator<undefined, BulkPlan> {
  if (!isObject(body)) throw ScimError.invalidSyntax('body-not-object', 'a BulkRequest must be a JSON object')
  const schemas = memberIgnoringCase(body, 'schemas')
  if (!Array.isArray(schemas) || !schemas.some((urn) => typeof urn === 'string' && sameUrn(urn, BULK_REQUEST)))
    throw ScimError.invalidSyntax('schemas-missing', `schemas must hold "${BULK_REQUEST}"`)
  const list = memberIgnoringCase(body, 'Operations')
  if (!Array.isArray(list) || list.length === 0)
    throw ScimError.invalidSyntax('bulk-malformed', 'Operations must be a list with at least one operation')
  if (list.length > limits.maxOperations) throw tooMany(list.length, limits.maxOperations)

  const creates = new Map<string, number>()
  const bulkIds = new Set<string>()
  const operations: (BulkOperation | RefusedOperation)[] = []
  const allReferences: string[][] = []
  for (const [index, operation] of list.entries()) {
    yield
    const read = parseOperation(operation, index)
    const { method, bulkId, path } = read
    if (bulkId !== undefined && bulkIds.has(bulkId)) {
      const error = ScimError.invalidValue('bulk-malformed', `Operations[${index}].bulkId: "${bulkId}" is there twice`)
      operations.push({ index, method, bulkId, path, error })
      allReferences.push([])
      continue
    }
    if (bulkId !== undefined) {
      bulkIds.add(bulkId)
      if (method === 'POST') creates.set(bulkId, index)
    }
    operations.push(read)
    allReferences.push(isRefused(read) ? [] : references(read))
  }
  return { operations, failOnErrors: failOnErrorsOf(body), creates, references: allReferences }
}

/**
 * The bulkIds that an operation refers to, in its path or anywhere in its data, each once (RFC 7644 §3.7.2). A string that
 * starts with `bulkId:` is nothing else: no id of ours contains that text (RFC 7643 §3.1).
 */
function references(operation: BulkOperation): string[] {
  const found = new Set<string>()
  const note = (text: string) => {
    if (text.startsWith(PREFIX)) found.add(text.slice(PREFIX.length))
  }
  if ('id' in operation) note(operation.id)
  const waiting: JsonValue[] = 'data' in operation ? [operation.data] : []
  for (let value = waiting.pop(); value !== undefined; value = waiting.pop()) {
    if (typeof value === 'string') note(value)
    else if (typeof value === 'object' && value !== null) for (const each of Object.values(value)) waiting.push(each)
  }
  return [...found]
}

/**
 * A copy of `value` with each `bulkId:x` replaced where `ids` has `x`; other strings and other bulkIds stay as they are.
 * It recurses once per level of nesting, which the reader of the body has bounded.
 */
export function substitute<T extends JsonValue>(value: T, ids: ReadonlyMap<string, string>): T
export function substitute(value: JsonValue, ids: ReadonlyMap<string, string>): JsonValue {
  if (typeof value === 'string')
    return value.startsWith(PREFIX) ? (ids.get(value.slice(PREFIX.length)) ?? value) : value
  if (Array.isArray(value)) return value.map((each) => substitute(each, ids))
  if (!isObject(value)) return value
  // fromEntries defines own members, so that one named __proto__ stays data.
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, substitute(each, ids)]))
}

/** Operations to run together: one, or creates that refer to each other in a circle (one create, if to itself). */
export interface BulkStep {
  readonly operations: readonly (BulkOperation | RefusedOperation)[]
  readonly isCycle: boolean
}

/**
 * The steps of a plan in the order to run them: a create comes before what refers to it (RFC 7644 §3.7.1). An operation
 * that refers to a later create waits until right after it; all others keep their places, so that reordering changes
 * nothing else (B-09). References to unknown or refused creates are for the caller to answer and hold nothing up.
 */
export function order(plan: BulkPlan): BulkStep[] {
  const needs = plan.references.map((bulkIds) => creatorsOf(bulkIds, plan))
  const componentOf = components(needs)
  const members = new Map<number, number[]>()
  for (const [index, component] of componentOf.entries()) pushTo(members, component, index)

  const missing = new Map<number, number>()
  const dependents = new Map<number, number[]>()
  for (const [component, indexes] of members) {
    const others = new Set(indexes.flatMap((index) => needs[index] ?? []).map((index) => componentOf[index] ?? 0))
    others.delete(component)
    missing.set(component, others.size)
    for (const other of others) pushTo(dependents, other, component)
  }

  const steps: BulkStep[] = []
  const passedOver = new Set<number>()
  for (const first of members.keys()) {
    if (missing.get(first) !== 0) {
      passedOver.add(first)
      continue
    }
    const ready = [first]
    for (const component of ready) {
      const indexes = members.get(component) ?? []
      steps.push({
        operations: indexes.flatMap((index) => plan.operations[index] ?? []),
        isCycle: indexes.some((index) => needs[index]?.some((need) => componentOf[need] === component)),
      })
      for (const dependent of dependents.get(component) ?? []) {
        const left = (missing.get(dependent) ?? 0) - 1
        missing.set(dependent, left)
        if (left === 0 && passedOver.has(dependent)) ready.push(dependent)
      }
    }
  }
  return steps
}

/** The indexes of the creates of these bulkIds that are not refused. */
function creatorsOf(bulkIds: readonly string[], plan: BulkPlan): number[] {
  return bulkIds.flatMap((bulkId) => {
    const index = plan.creates.get(bulkId)
    const create = index === undefined ? undefined : plan.operations[index]
    return create && !isRefused(create) ? [create.index] : []
  })
}

/**
 * For each node, the number of its strongly connected component, by Tarjan's algorithm with a stack of its own: a chain of
 * references may be as long as the request.
 *
 * @param edges per node, the nodes it leads to
 */
function components(edges: readonly (readonly number[])[]): number[] {
  const component: number[] = []
  const discovered: number[] = []
  const lowest: number[] = []
  const open: number[] = []
  let discoveries = 0
  let found = 0
  for (const root of edges.keys()) {
    if (discovered[root] !== undefined) continue
    const path: { node: number; next: number }[] = []
    const enter = (node: number) => {
      discovered[node] = lowest[node] = discoveries++
      open.push(node)
      path.push({ node, next: 0 })
    }
    const lower = (node: number, to: number | undefined) => {
      lowest[node] = Math.min(lowest[node] ?? 0, to ?? 0)
    }
    enter(root)
    for (let top = path.at(-1); top; top = path.at(-1)) {
      const { node } = top
      const to = edges[node]?.[top.next++]
      if (to !== undefined) {
        if (discovered[to] === undefined) enter(to)
        else if (component[to] === undefined) lower(node, discovered[to])
        continue
      }
      path.pop()
      const before = path.at(-1)
      if (before) lower(before.node, lowest[node])
      if (lowest[node] !== discovered[node]) continue
      for (let member = open.pop(); member !== undefined; member = member === node ? undefined : open.pop())
        component[member] = found
      found++
    }
  }
  return component
}

function pushTo(lists: Map<number, number[]>, key: number, value: number): void {
  const list = lists.get(key)
  if (list) list.push(value)
  else lists.set(key, [value])
}

function parseOperation(value: JsonValue, index: number): BulkOperation | RefusedOperation {
  const operation = isObject(value) ? value : {}
  const textAt = (name: string) => {
    const member = memberIgnoringCase(operation, name)
    return typeof member === 'string' ? member : undefined
  }
  const named = { index, method: textAt('method')?.toUpperCase(), bulkId: textAt('bulkId'), path: textAt('path') }
  try {
    if (!isObject(value)) throw ScimError.invalidValue('bulk-malformed', `Operations[${index}] must be a JSON object`)
    return readOperation(operation, named)
  } catch (error) {
    if (error instanceof ScimError) return { ...named, error }
    throw error
  }
}

function readOperation(operation: JsonObject, named: Omit<RefusedOperation, 'error'>): BulkOperation {
  const { index, bulkId } = named
  const wrong = (name: string, reason: string) =>
    ScimError.invalidValue('bulk-malformed', `Operations[${index}].${name}: ${reason}`)
  const absent = (name: string) => (memberIgnoringCase(operation, name) ?? null) === null

  const method = METHODS.find((each) => each === named.method)
  if (!method) throw wrong('method', 'must be POST, PUT, PATCH or DELETE')
  const path = named.path ?? ''
  const [, endpoint = '', encodedId] = PATH.exec(path) ?? []
  if (endpoint === '') throw wrong('path', 'must be relative to the base URL, such as /Users or /Users/2819c223')
  if (NOT_INSIDE.has(endpoint.toLowerCase()) || encodedId?.toLowerCase() === '.search')
    throw wrong('path', 'Bulk, Me and .search cannot be reached from inside a bulk')
  if (bulkId === undefined ? !absent('bulkId') : bulkId === '') throw wrong('bulkId', 'must be a string, not empty')
  const dataOf = (): JsonObject => {
    const data = memberIgnoringCase(operation, 'data')
    if (isObject(data)) return data
    throw wrong('data', `must be a JSON object for ${method}`)
  }

  if (method === 'POST') {
    if (encodedId !== undefined) throw wrong('path', 'of a POST is an endpoint such as /Users, without an id')
    if (bulkId === undefined) throw wrong('bulkId', 'is required for POST')
    return { index, method, path, endpoint, bulkId, data: dataOf() }
  }
  if (encodedId === undefined) throw wrong('path', `of a ${method} ends with the id of a resource`)
  const id = decoded(encodedId)
  if (id === undefined) throw wrong('path', 'is not correctly percent-encoded')
  const version = memberIgnoringCase(operation, 'version') ?? undefined
  if (version !== undefined && typeof version !== 'string') throw wrong('version', 'must be a string such as W/"12"')
  const target = { index, path, endpoint, id, bulkId, ifMatch: parseIfMatch(version, `Operations[${index}].version`) }
  return method === 'DELETE' ? { ...target, method } : { ...target, method, data: dataOf() }
}

function decoded(segment: string): string | undefined {
  try {
    return decodeURIComponent(segment)
  } catch {
    return undefined
  }
}

function failOnErrorsOf(body: JsonObject): number | undefined {
  const value = memberIgnoringCase(body, 'failOnErrors') ?? undefined
  if (value === undefined || (typeof value === 'number' && Number.isInteger(value) && value > 0)) return value
  throw ScimError.invalidValue('bulk-malformed', 'failOnErrors must be an integer of 1 or more')
}
