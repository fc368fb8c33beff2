import type { Deviations } from '../deviations/index.ts'
import { ScimError } from '../errors.ts'
import { numberEnd } from '../json.ts'
import type { AttributePath, CompareOperator, Filter, PatchPath } from './ast.ts'
import type { Token } from './lex.ts'
import { readToken } from './lex.ts'
import { MAX_FILTER_DEPTH, MAX_FILTER_LENGTH, MAX_FILTER_TERMS } from './limits.ts'

/**
 * Reads a query filter (RFC 7644 §3.4.2.2, figure 1 with errata 4690, 7319 and 7322).
 *
 * @throws {ScimError} invalidFilter, naming the character (1-based) and what was expected there
 */
export function parseFilter(text: string, deviations: Deviations): Filter {
  return new Parser(text, deviations, 'filter').filter()
}

/**
 * Reads a PATCH path (RFC 7644 §3.5.2, figure 7).
 *
 * @throws {ScimError} invalidPath, or invalidFilter for what is wrong between the brackets (checklist PAT-08)
 */
export function parsePatchPath(text: string, deviations: Deviations): PatchPath {
  return new Parser(text, deviations, 'path').patchPath()
}

/**
 * Reads an attribute path in standard notation (RFC 7644 §3.10), or gives undefined where `text` is none. The last colon
 * splits schema URN and name, so the URN of an extension alone reads as a schema and a name; see `resolveExtension`.
 */
export function parseAttributePath(text: string): AttributePath | undefined {
  return attributePathAt(0, text)
}

// Erratum 8924: the grammar's ATTRNAME misses `$ref`.
const NAME = /^(?:[a-z][a-z0-9_$-]*|\$ref)$/i
const SCHEMA = /^[a-z][a-z0-9._~:/%+,;=@&!*$?#-]*$/i

function attributePathAt(position: number, text: string): AttributePath | undefined {
  const colon = text.lastIndexOf(':')
  const schema = colon === -1 ? undefined : text.slice(0, colon)
  const dot = text.indexOf('.', colon + 1)
  const name = text.slice(colon + 1, dot === -1 ? undefined : dot)
  const sub = dot === -1 ? undefined : text.slice(dot + 1)
  const isPath =
    (schema === undefined || SCHEMA.test(schema)) && NAME.test(name) && (sub === undefined || NAME.test(sub))
  return isPath ? { schema, name, sub, position } : undefined
}

const OPERATORS: readonly string[] = ['eq', 'ne', 'co', 'sw', 'ew', 'gt', 'ge', 'lt', 'le'] satisfies CompareOperator[]
const isCompareOperator = (word: string): word is CompareOperator => OPERATORS.includes(word)

class Parser {
  readonly #text: string
  readonly #kind: 'filter' | 'path'
  /** 'repeated-spaces': any number of spaces where the grammar wants one, and also where it wants none. */
  readonly #anySpaces: boolean
  /** 'value-path-comparison': `attr[filter].sub eq "x"` in a query. */
  readonly #comparesValuePaths: boolean
  /** 'single-quoted-strings': in PATCH paths only, a query would say something else to the next server. */
  readonly #singleQuotes: boolean
  #token: Token
  #inBrackets = false
  #depth = 0
  #terms = 0

  constructor(text: string, deviations: Deviations, kind: 'filter' | 'path') {
    this.#text = text
    this.#kind = kind
    this.#anySpaces = deviations.has('repeated-spaces')
    this.#comparesValuePaths = kind === 'filter' && deviations.has('value-path-comparison')
    this.#singleQuotes = kind === 'path' && deviations.has('single-quoted-strings')
    if (text.length > MAX_FILTER_LENGTH) throw this.#error(`is longer than ${MAX_FILTER_LENGTH} characters`)
    this.#token = this.#read(0)
  }

  filter(): Filter {
    this.#wantTight()
    const filter = this.#or()
    if (!this.#is('end')) throw this.#expected('"and", "or" or the end')
    this.#wantTight()
    return filter
  }

  patchPath(): PatchPath {
    this.#wantTight()
    const attribute = this.#attributePath('an attribute path')
    let filter: Filter | undefined
    let sub: string | undefined
    if (this.#is('[')) {
      if (attribute.sub !== undefined)
        throw this.#expected('the end, because brackets follow an attribute without ".sub"')
      filter = this.#brackets()
      sub = this.#subAfterBrackets()
    }
    if (!this.#is('end')) throw this.#expected(filter ? '".", a sub-attribute, or the end' : '"[" or the end')
    this.#wantTight()
    return { attribute, filter, sub }
  }

  #or(): Filter {
    const first = this.#and()
    if (this.#word() !== 'or') return first
    const terms = [first]
    while (this.#takeConnective('or')) terms.push(this.#and())
    return { kind: 'or', terms }
  }

  #and(): Filter {
    const first = this.#term()
    if (this.#word() !== 'and') return first
    const terms = [first]
    while (this.#takeConnective('and')) terms.push(this.#term())
    return { kind: 'and', terms }
  }

  #term(): Filter {
    if (this.#is('(')) return this.#group()
    const word = this.#word()
    if (word === 'not') return this.#not()
    if (word === 'and' || word === 'or') throw this.#expected('an attribute, "not" or "("')
    const attribute = this.#attributePath('an attribute, "not" or "("')
    return this.#is('[') ? this.#valuePath(attribute) : this.#comparison(attribute)
  }

  #not(): Filter {
    this.#advance()
    if (!this.#is('(')) throw this.#expected('"(" after "not"')
    if (this.#token.spaces > 0) this.#wantSpace()
    return { kind: 'not', term: this.#group() }
  }

  #group(): Filter {
    this.#descend()
    this.#advance()
    this.#wantTight()
    const filter = this.#or()
    if (!this.#is(')')) throw this.#expected('"and", "or" or ")"')
    this.#wantTight()
    this.#depth--
    this.#advance()
    return filter
  }

  #valuePath(attribute: AttributePath): Filter {
    if (this.#inBrackets) throw this.#expected('an operator, because brackets do not stand inside brackets')
    if (attribute.sub !== undefined)
      throw this.#expected('an operator, because brackets follow an attribute without ".sub"')
    const filter = this.#brackets()
    const position = this.#token.start + 1
    const sub = this.#comparesValuePaths ? this.#subAfterBrackets() : undefined
    if (sub === undefined) return { kind: 'valuePath', attribute, filter }
    const term = this.#comparison({ schema: undefined, name: sub, sub: undefined, position })
    const terms = filter.kind === 'and' ? [...filter.terms, term] : [filter, term]
    return { kind: 'valuePath', attribute, filter: { kind: 'and', terms } }
  }

  #brackets(): Filter {
    this.#wantTight()
    this.#descend()
    this.#inBrackets = true
    this.#advance()
    const token = this.#token
    if (this.#kind === 'path' && token.kind === 'word' && /^[0-9]+$/.test(token.text)) {
      const where = `at character ${token.start + 1}`
      throw ScimError.invalidPath(
        'patch-path-malformed',
        `the path has an array index ${where}; choose values by a filter: [value eq "…"]`,
      )
    }
    this.#wantTight()
    const filter = this.#or()
    if (!this.#is(']')) throw this.#expected('"and", "or" or "]"')
    this.#wantTight()
    this.#depth--
    this.#inBrackets = false
    this.#advance()
    return filter
  }

  #subAfterBrackets(): string | undefined {
    const token = this.#token
    if (token.kind !== 'word' || !token.text.startsWith('.')) return undefined
    this.#wantTight()
    const sub = token.text.slice(1)
    if (!NAME.test(sub)) throw this.#expected('"." and the name of a sub-attribute')
    this.#advance()
    return sub
  }

  #attributePath(expected: string): AttributePath {
    const token = this.#token
    const path = token.kind === 'word' ? attributePathAt(token.start, token.text) : undefined
    if (path === undefined) throw this.#expected(expected)
    this.#advance()
    return path
  }

  #comparison(attribute: AttributePath): Filter {
    if (++this.#terms > MAX_FILTER_TERMS) throw this.#error(`has more than ${MAX_FILTER_TERMS} terms`)
    const operator = this.#word()
    if (operator !== 'pr' && !isCompareOperator(operator)) {
      throw this.#expected('an operator (eq, ne, co, sw, ew, gt, ge, lt, le or pr)')
    }
    this.#wantSpace()
    this.#advance()
    if (operator === 'pr') return { kind: 'present', attribute }
    const position = this.#token.start
    return { kind: 'compare', attribute, operator, value: this.#value(), position }
  }

  #value(): string | number | boolean | null {
    const token = this.#token
    const value = token.kind === 'string' ? token.value : token.kind === 'word' ? literal(token.text) : undefined
    if (value === undefined) {
      throw this.#expected('a value (a string in double quotes, a number, true, false or null)')
    }
    if (typeof value === 'number' && !Number.isFinite(value)) throw this.#expected('a number that is not so large')
    this.#wantSpace()
    this.#advance()
    return value
  }

  #is(kind: Token['kind']): boolean {
    return this.#token.kind === kind
  }

  /** The word under the cursor in lower case, empty for anything else. */
  #word(): string {
    return this.#token.kind === 'word' ? this.#token.text.toLowerCase() : ''
  }

  #takeConnective(word: 'and' | 'or'): boolean {
    if (this.#word() !== word) return false
    this.#wantSpace()
    this.#advance()
    if (!this.#is('end')) this.#wantSpace()
    return true
  }

  #descend(): void {
    if (++this.#depth > MAX_FILTER_DEPTH) {
      throw this.#error(`nests deeper than ${MAX_FILTER_DEPTH} levels at character ${this.#token.start + 1}`)
    }
  }

  #wantSpace(): void {
    const { spaces } = this.#token
    if (spaces !== 1 && !(this.#anySpaces && spaces > 1)) throw this.#wrongSpaces('exactly one space')
  }

  #wantTight(): void {
    if (this.#token.spaces > 0 && !this.#anySpaces) throw this.#wrongSpaces('no space')
  }

  #wrongSpaces(wanted: string): ScimError {
    const { start, spaces } = this.#token
    return this.#error(
      `is not readable at character ${start - spaces + 1}: expected ${wanted}, found ${spaces || 'none'}`,
    )
  }

  #advance(): void {
    this.#token = this.#read(this.#token.end)
  }

  #read(from: number): Token {
    const refuse = (position: number, problem: string) => this.#error(`has ${problem} at character ${position + 1}`)
    return readToken(this.#text, from, { singleQuotes: this.#singleQuotes, refuse })
  }

  #expected(what: string): ScimError {
    const { kind, start, end } = this.#token
    const text = clip(this.#text.slice(start, end))
    const found = kind === 'end' ? 'the end' : kind === 'string' ? text : JSON.stringify(text)
    return this.#error(`is not readable at character ${start + 1}: expected ${what}, found ${found}`)
  }

  #error(problem: string): ScimError {
    if (this.#kind === 'filter') return ScimError.invalidFilter('filter-malformed', `the filter ${problem}`)
    return this.#inBrackets
      ? ScimError.invalidFilter('filter-malformed', `the filter in the path ${problem}`)
      : ScimError.invalidPath('patch-path-malformed', `the path ${problem}`)
  }
}

function literal(word: string): number | boolean | null | undefined {
  if (word === 'true') return true
  if (word === 'false') return false
  if (word === 'null') return null
  // `+ 0` makes -0 a plain 0, which is how it is written back.
  return numberEnd(word, 0) === word.length ? Number(word) + 0 : undefined
}

const clip = (text: string): string => (text.length > 40 ? `${text.slice(0, 40)}…` : text)
