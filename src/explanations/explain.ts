import { REASONS, type Reason } from '../scim/reasons.ts'
import { ABOUT_ACCESS } from './about-access.ts'
import { ABOUT_MESSAGES } from './about-messages.ts'
import { ABOUT_SERVICE } from './about-service.ts'
import { ABOUT_VALUES } from './about-values.ts'
import { ANY_CONSOLE, type ClientName, CONSOLES } from './clients.ts'
import type { About, Explanation } from './explanation.ts'

/** A refusal as logs have it. Only the status, the method and the path are always there. */
export interface ToExplain {
  readonly status: number
  /** One of `REASONS`; another word, as of an older log, is passed over. */
  readonly reason?: string | undefined
  readonly scimType?: string | undefined
  /** What the client read; the name of an attribute is taken from it, and nothing else. */
  readonly detail?: string | undefined
  readonly method: string
  readonly path: string
  readonly client?: ClientName | undefined
}

/** What was wrong, and what to change. */
export interface Explained {
  readonly problem: string
  readonly remedy: string
  /** The attribute that was wrong, as the client named it. */
  readonly field?: string
}

const EXPLANATIONS: Readonly<Record<Reason, Explanation>> = {
  ...ABOUT_ACCESS,
  ...ABOUT_MESSAGES,
  ...ABOUT_SERVICE,
  ...ABOUT_VALUES,
}

/** Says in plain words why a request was refused and what to change, in the words of the client's own admin console. */
export function explain(refused: ToExplain): Explained {
  const { detail = '', method, path, client } = refused
  const explanation = EXPLANATIONS[reasonOf(refused)]
  const field = explanation.namesField ? fieldIn(detail) : undefined
  const about: About = {
    ...(client === undefined ? ANY_CONSOLE : CONSOLES[client]),
    field: field === undefined ? 'an attribute' : `"${field}"`,
    what: whatOf(path),
    permission: method === 'GET' || method === 'HEAD' || path.endsWith('/.search') ? 'scim:read' : 'scim:write',
  }
  return {
    problem: explanation.problem(about),
    remedy: explanation.remedy(about),
    ...(field === undefined ? {} : { field }),
  }
}

const KNOWN: ReadonlySet<string> = new Set(REASONS)
const isReason = (text: string | undefined): text is Reason => text !== undefined && KNOWN.has(text)

/** The reason as it was logged, or the likeliest one for a status and a `scimType`. */
function reasonOf({ status, scimType, reason }: ToExplain): Reason {
  if (isReason(reason)) return reason
  return BY_TYPE[scimType ?? ''] ?? BY_STATUS[status] ?? (status >= 500 ? 'fault' : 'body-not-object')
}

const BY_TYPE: Readonly<Record<string, Reason>> = {
  invalidFilter: 'filter-malformed',
  tooMany: 'query-too-costly',
  uniqueness: 'value-not-unique',
  mutability: 'attribute-immutable',
  invalidSyntax: 'body-not-json',
  invalidPath: 'patch-path-unknown',
  noTarget: 'no-value-matches',
  invalidValue: 'wrong-type',
  invalidVers: 'version-unsupported',
  invalidCursor: 'cursor-wrong',
  expiredCursor: 'cursor-expired',
  invalidCount: 'cursor-count-changed',
}
const BY_STATUS: Readonly<Record<number, Reason>> = {
  401: 'key-unknown',
  403: 'key-lacks-permission',
  404: 'resource-not-found',
  405: 'method-unsupported',
  406: 'accept-unsupported',
  408: 'request-too-slow',
  409: 'value-not-unique',
  412: 'version-changed',
  413: 'body-too-large',
  415: 'content-type-unsupported',
  421: 'host-unknown',
  429: 'requests-too-fast',
  431: 'headers-too-large',
  499: 'client-gone',
  503: 'database-away',
}

/** Details that begin with an attribute: `Operations[0]: "emails[type eq "work"].value" is …`, `emails[0].value must be …`. */
const AT_THE_START =
  /^(?:Operations\[\d+\]: )?(.+?):? (?:is|must|has|holds|would|names|matches|does not|members|\w+ cannot|leads)\b/
const AT_THE_END = /^(?:Operations\[\d+\]: )?no value matches "(.+)"$/
const PART = /^(?:Operations\[\d+\]: )?(.+) has no sub-attribute "(.+)"$/
const IN_FILTER = / has no attribute "(.+?)"/

/** The attribute that a `detail` of ours is about. */
function fieldIn(detail: string): string | undefined {
  const part = PART.exec(detail)
  if (part !== null) return `${part[1]}.${part[2]}`
  const [, name] = IN_FILTER.exec(detail) ?? AT_THE_END.exec(detail) ?? AT_THE_START.exec(detail) ?? []
  return name?.replace(/^"(.*)"$/, '$1')
}

function whatOf(path: string): About['what'] {
  if (/\/Users(?:[/?]|$)/.test(path)) return 'user'
  return /\/Groups(?:[/?]|$)/.test(path) ? 'group' : 'resource'
}
