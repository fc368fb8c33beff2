import { TOKEN_SEGMENTS } from './operation.ts'
import { decodedText, LEFT_OUT } from './secrets.ts'

// What people's data is hidden by: each letter and digit becomes a dot, so that lengths and punctuation still tell what it was.

/** Members of a message whose values are those of the protocol, and say nothing of a person. */
const PLAIN: ReadonlySet<string> = new Set(
  [
    ...['schemas', 'op', 'method', 'bulkId', 'version', 'status', 'scimType', 'resourceType', 'primary', 'type'],
    ...['totalResults', 'startIndex', 'itemsPerPage', 'count', 'failOnErrors', 'sortOrder', 'sortBy', 'attributes'],
    ...['excludedAttributes', 'created', 'lastModified', 'location', '$ref', 'cursor', 'nextCursor', 'previousCursor'],
  ].map((name) => name.toLowerCase()),
)
/** Members whose text has values of people between its quotation marks alone. */
const QUOTING: ReadonlySet<string> = new Set(['path', 'filter', 'detail'])

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i
const BOOLEAN = /^(?:true|false)$/i
const LETTERS = /[\p{L}\p{N}]/gu

/** A value of a person. Ids of resources and booleans stay. */
export function maskedValue(text: string): string {
  return text === LEFT_OUT || UUID.test(text) || BOOLEAN.test(text) ? text : text.replaceAll(LETTERS, '•')
}

const QUOTED = /"((?:[^"\\]|\\.)*)("|$)/g

/** A text in which values stand between quotation marks: a filter, a path, the detail of a refusal. */
export const maskedQuotes = (text: string): string =>
  text.replaceAll(QUOTED, (_, value: string, end: string) => `"${maskedValue(value)}${end}`)

/** A value in a filter that stands there without quotation marks. */
const UNQUOTED = /\b(eq|ne|co|sw|ew|gt|ge|lt|le)(\s+)([^\s"()[\]]+)/gi

/** A filter, or an attribute with filters in its brackets, with the values of people masked. */
export const maskedFilter = (text: string): string =>
  maskedQuotes(text).replaceAll(
    UNQUOTED,
    (_, operator: string, space: string, value: string) =>
      `${operator}${space}${value === 'null' ? value : maskedValue(value)}`,
  )

/** Path and query of a request for people to read, decoded; with `reveal` as they were, else with the values of people masked. */
export function shownAddress(address: string, reveal: boolean): string {
  // It tells of nobody.
  if (address === `/${TOKEN_SEGMENTS.join('/')}`) return address
  const [path = '', ...query] = address.split('?')
  const segments = path.split('/').map(decodedText)
  // The first is empty, the second the name of an endpoint.
  const shown = segments.map((segment, i) =>
    reveal || i < 2 || segment === '.search' ? segment : maskedSegment(segment),
  )
  if (query.length === 0) return shown.join('/')
  const parts = query
    .join('?')
    .split('&')
    .map((part) => {
      const text = decodedText(part)
      const isFilter = /^filter=/i.test(text)
      return isFilter && !reveal ? `filter=${maskedFilter(text.slice('filter='.length))}` : text
    })
  return `${shown.join('/')}?${parts.join('&')}`
}

/** A URN names a schema. */
const maskedSegment = (segment: string): string => (/^urn:/i.test(segment) ? segment : maskedValue(segment))

const TOKEN = /"((?:[^"\\]|\\.)*)("|$)|[{}[\],:]|-?\d[\d.eE+-]*|true|false|null|\s+|[^\s"{}[\],:]+/g

/**
 * The text of a body with the values of people masked: its members, types and lengths stay. It takes texts that are cut, and texts
 * that are no JSON.
 */
export function maskedBody(text: string): string {
  /** The name of the member whose value comes, for each object or list around it. */
  const names: string[] = []
  let name = ''
  const tokens = [...text.matchAll(TOKEN)]
  const nextOf = (i: number): string => {
    const next = tokens[i + 1]?.[0] ?? ''
    return /^\s/.test(next) ? (tokens[i + 2]?.[0] ?? '') : next
  }
  return tokens
    .map(([token, value, end], i) => {
      if (value !== undefined) {
        if (nextOf(i) === ':') {
          name = value.toLowerCase()
          return token
        }
        return `"${maskedMember(name, value)}${end}`
      }
      if (token === '{' || token === '[') names.push(name)
      else if (token === '}' || token === ']') name = names.pop() ?? ''
      else if (/^-?\d/.test(token)) return PLAIN.has(name) ? token : '0'
      else if (!/^(?:[,:\s]|true$|false$|null$)/.test(token)) return maskedValue(token)
      return token
    })
    .join('')
}

function maskedMember(name: string, value: string): string {
  if (PLAIN.has(name) || /^urn:/i.test(value)) return value
  if (!QUOTING.has(name)) return maskedValue(value)
  // Quotation marks stand escaped within JSON.
  return value.replaceAll(
    /\\"((?:[^"\\]|\\(?!"))*)(\\"|$)/g,
    (_, inner: string, end: string) => `\\"${maskedValue(inner)}${end}`,
  )
}
