import type { Deviations } from './deviations/index.ts'
import { readTextInteger } from './deviations/text-integer.ts'
import { ScimError } from './errors.ts'
import { isObject, type JsonObject, type JsonValue, memberIgnoringCase } from './resource.ts'
import { SEARCH_REQUEST, sameUrn } from './urn.ts'

/** A query as asked for, by GET or by POST to `/.search`; names and the filter are not resolved yet. */
export interface SearchRequest {
  readonly filter?: string
  readonly attributes?: readonly string[]
  readonly excludedAttributes?: readonly string[]
  readonly sortBy?: string
  readonly sortOrder: 'ascending' | 'descending'
  readonly paging: Paging
}

/**
 * `startIndex` is 1-based; an empty `cursor` asks for the first page (RFC 9865 §2). `count` is within the limits. With a
 * cursor it is undefined when the client names none: the page size then stays what it was, and is `defaultCount` at first.
 */
export type Paging =
  | { readonly kind: 'index'; readonly startIndex: number; readonly count: number }
  | {
      readonly kind: 'cursor'
      readonly cursor: string
      readonly count: number | undefined
      readonly defaultCount: number
    }

export interface PageLimits {
  readonly defaultPageSize: number
  readonly maxPageSize: number
}

/** The parameters before they are checked; null where one is absent. */
interface Parameters {
  readonly filter: string | null
  readonly attributes: readonly string[] | null
  readonly excludedAttributes: readonly string[] | null
  readonly sortBy: string | null
  readonly sortOrder: string | null
  readonly startIndex: number | null
  readonly count: number | null
  readonly cursor: string | null
}

/**
 * Reads the query of a GET (RFC 7644 §3.4.2, RFC 9865 §2). Parameters that mean nothing to us are ignored (H-06).
 *
 * @throws {ScimError} invalidValue, or invalidFilter for an empty filter
 */
export function parseQuery(params: URLSearchParams, limits: PageLimits): SearchRequest {
  const parameter = parameterReader(params)
  const list = (name: string) => parameter(name)?.split(',') ?? null
  const integer = (name: string) => {
    const text = parameter(name)
    if (text === null) return null
    if (!/^-?[0-9]+$/.test(text))
      throw ScimError.invalidValue('parameter-wrong', `${name} must be an integer, not "${clip(text)}"`)
    return Number(text)
  }
  return searchRequest(
    {
      filter: parameter('filter'),
      attributes: list('attributes'),
      excludedAttributes: list('excludedAttributes'),
      sortBy: parameter('sortBy'),
      sortOrder: parameter('sortOrder'),
      startIndex: integer('startIndex'),
      count: integer('count'),
      cursor: parameter('cursor'),
    },
    limits,
  )
}

/** The attributes that a request's query names for its answer (RFC 7644 §3.9); read as `parseQuery` reads them. */
export function parseAttributeNames(params: URLSearchParams): Pick<SearchRequest, 'attributes' | 'excludedAttributes'> {
  const parameter = parameterReader(params)
  const attributes = trimmed(parameter('attributes')?.split(',') ?? null)
  const excludedAttributes = trimmed(parameter('excludedAttributes')?.split(',') ?? null)
  return {
    ...(attributes.length === 0 ? {} : { attributes }),
    ...(excludedAttributes.length === 0 ? {} : { excludedAttributes }),
  }
}

/** Gives a parameter's value, or null; refuses one that is there twice. */
export function parameterReader(params: URLSearchParams): (name: string) => string | null {
  const values = new Map<string, string[]>()
  // Names in any case: a misspelled `Filter` that is ignored would answer with every resource.
  for (const [name, value] of params) {
    const folded = name.toLowerCase()
    const before = values.get(folded)
    if (before) before.push(value)
    else values.set(folded, [value])
  }
  return (name) => {
    const [value, ...more] = values.get(name.toLowerCase()) ?? []
    if (more.length > 0)
      throw ScimError.invalidValue('parameter-wrong', `the parameter ${name} is there ${more.length + 1} times`)
    return value ?? null
  }
}

/**
 * Reads a SearchRequest message (RFC 7644 §3.4.3, RFC 9865 §3); the result equals that of the GET with the same parameters.
 *
 * @throws {ScimError} invalidSyntax when it is no SearchRequest, invalidValue, or invalidFilter for an empty filter
 */
export function parseSearchRequest(body: JsonValue, limits: PageLimits, deviations: Deviations): SearchRequest {
  if (!isObject(body)) throw ScimError.invalidSyntax('body-not-object', 'a SearchRequest must be a JSON object')
  const schemas = memberIgnoringCase(body, 'schemas')
  if (!Array.isArray(schemas) || !schemas.some((urn) => typeof urn === 'string' && sameUrn(urn, SEARCH_REQUEST)))
    throw ScimError.invalidSyntax('schemas-missing', `schemas must hold "${SEARCH_REQUEST}"`)
  return searchRequest(
    {
      filter: textOf(body, 'filter'),
      attributes: namesOf(body, 'attributes', deviations),
      excludedAttributes: namesOf(body, 'excludedAttributes', deviations),
      sortBy: textOf(body, 'sortBy'),
      sortOrder: textOf(body, 'sortOrder'),
      startIndex: integerOf(body, 'startIndex', deviations),
      count: integerOf(body, 'count', deviations),
      cursor: textOf(body, 'cursor'),
    },
    limits,
  )
}

function searchRequest(parameters: Parameters, limits: PageLimits): SearchRequest {
  const { filter, sortBy } = parameters
  if (filter?.trim() === '')
    throw ScimError.invalidFilter('filter-malformed', 'the filter is empty; leave it out to ask for everything')
  if (sortBy?.trim() === '') throw ScimError.invalidValue('parameter-wrong', 'sortBy is empty')
  const attributes = trimmed(parameters.attributes)
  const excludedAttributes = trimmed(parameters.excludedAttributes)
  return {
    // Without sortBy the order is ours and sortOrder means nothing (S-07).
    sortOrder: sortBy === null ? 'ascending' : sortOrderOf(parameters.sortOrder),
    paging: paging(parameters, limits),
    ...(filter === null ? {} : { filter }),
    ...(attributes.length === 0 ? {} : { attributes }),
    ...(excludedAttributes.length === 0 ? {} : { excludedAttributes }),
    ...(sortBy === null ? {} : { sortBy: sortBy.trim() }),
  }
}

function paging({ cursor, startIndex, count }: Parameters, limits: PageLimits): Paging {
  const defaultCount = Math.min(limits.defaultPageSize, limits.maxPageSize)
  const size = Math.min(Math.max(count ?? defaultCount, 0), limits.maxPageSize)
  if (cursor === null)
    return { kind: 'index', startIndex: Math.min(Math.max(startIndex ?? 1, 1), Number.MAX_SAFE_INTEGER), count: size }
  if (startIndex !== null)
    throw ScimError.invalidValue(
      'parameter-wrong',
      'cursor and startIndex are two ways of paging; send one of them (RFC 9865 §2.4)',
    )
  return { kind: 'cursor', cursor, count: count === null ? undefined : size, defaultCount }
}

/** Like any attribute value that is not case exact by definition, in any case (RFC 7643 §2.2). */
function sortOrderOf(value: string | null): SearchRequest['sortOrder'] {
  const folded = value?.toLowerCase() ?? 'ascending'
  if (folded === 'ascending' || folded === 'descending') return folded
  throw ScimError.invalidValue(
    'parameter-wrong',
    `sortOrder must be ascending or descending, not "${clip(value ?? '')}"`,
  )
}

const trimmed = (names: readonly string[] | null) =>
  (names ?? []).map((name) => name.trim()).filter((name) => name !== '')

const clip = (text: string) => (text.length > 40 ? `${text.slice(0, 40)}…` : text)

function textOf(body: JsonObject, name: string): string | null {
  const value = memberIgnoringCase(body, name) ?? null
  if (value === null || typeof value === 'string') return value
  throw ScimError.invalidValue('parameter-wrong', `${name} must be a string`)
}

function namesOf(body: JsonObject, name: string, deviations: Deviations): readonly string[] | null {
  const value = memberIgnoringCase(body, name) ?? null
  if (value === null) return null
  if (typeof value === 'string' && deviations.has('attribute-names-as-text')) return value.split(',')
  if (Array.isArray(value)) {
    const names = value.filter((each) => typeof each === 'string')
    if (names.length === value.length) return names
  }
  throw ScimError.invalidValue('parameter-wrong', `${name} must be a list of strings`)
}

function integerOf(body: JsonObject, name: string, deviations: Deviations): number | null {
  const given = memberIgnoringCase(body, name) ?? null
  const value = deviations.has('integers-as-text') ? readTextInteger(given) : given
  if (value === null || (typeof value === 'number' && Number.isInteger(value))) return value
  throw ScimError.invalidValue('parameter-wrong', `${name} must be an integer`)
}
