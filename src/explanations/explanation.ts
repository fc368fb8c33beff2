import type { AdminConsole } from './clients.ts'

/** What an explanation may speak of. */
export interface About extends AdminConsole {
  /** The attribute or parameter that was wrong, in quotation marks; `an attribute` where none is known. */
  readonly field: string
  /** What the request was about. */
  readonly what: 'user' | 'group' | 'resource'
  /** The permission that a request with this method needs. */
  readonly permission: 'scim:read' | 'scim:write'
}

/** What a refusal means and what to change, in sentences for an administrator who knows neither SCIM nor this service. */
export interface Explanation {
  readonly problem: (about: About) => string
  readonly remedy: (about: About) => string
  /** Whether the client's `detail` begins with the attribute that was wrong. */
  readonly namesField?: true
}

/** Who changes settings of a tenant here. */
export const OPERATOR = "this service's administrator"

/** Advice where another mode of the tenant reads what was sent. */
export const OTHER_MODE = `Or ask ${OPERATOR} to set the tenant's mode to lenient, which reads this.`
