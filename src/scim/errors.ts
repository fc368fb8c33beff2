import type { Reason } from './reasons.ts'
import { ERROR } from './urn.ts'

/** The detail error keywords of RFC 7644 §3.12 (Table 9) and RFC 9865 §2.1. */
export type ScimType =
  | 'invalidFilter'
  | 'tooMany'
  | 'uniqueness'
  | 'mutability'
  | 'invalidSyntax'
  | 'invalidPath'
  | 'noTarget'
  | 'invalidValue'
  | 'invalidVers'
  | 'sensitive'
  | 'invalidCursor'
  | 'expiredCursor'
  | 'invalidCount'

/** A refusal as logs keep it. */
export interface Refused {
  readonly status: number
  readonly scimType: ScimType | undefined
  /** What the client read. */
  readonly detail: string
  readonly reason: Reason
}

/** A refusal that the client should read: becomes a SCIM error response (RFC 7644 §3.12) in one place, http/errors. */
export class ScimError extends Error {
  override readonly name = 'ScimError'
  readonly status: number
  readonly scimType: ScimType | undefined
  readonly reason: Reason

  /**
   * @param reason for logs, and for what explains the refusal to people; the client does not get it
   * @param detail what was wrong, for the person who reads the identity provider's log; never internals
   */
  constructor(status: number, scimType: ScimType | undefined, reason: Reason, detail: string) {
    super(detail)
    this.status = status
    this.scimType = scimType
    this.reason = reason
  }

  /** What logs keep of it. */
  refused(): Refused {
    const { status, scimType, message: detail, reason } = this
    return { status, scimType, detail, reason }
  }

  /** The message body of RFC 7644 §3.12; `status` is a string (erratum 6893 keeps it so). */
  toBody(): { schemas: string[]; status: string; scimType?: ScimType; detail: string } {
    return {
      schemas: [ERROR],
      status: String(this.status),
      ...(this.scimType ? { scimType: this.scimType } : {}),
      detail: this.message,
    }
  }

  static invalidFilter = (reason: Reason, detail: string) => new ScimError(400, 'invalidFilter', reason, detail)
  static invalidSyntax = (reason: Reason, detail: string) => new ScimError(400, 'invalidSyntax', reason, detail)
  static invalidValue = (reason: Reason, detail: string) => new ScimError(400, 'invalidValue', reason, detail)
  static invalidPath = (reason: Reason, detail: string) => new ScimError(400, 'invalidPath', reason, detail)
  static noTarget = (reason: Reason, detail: string) => new ScimError(400, 'noTarget', reason, detail)
  static mutability = (reason: Reason, detail: string) => new ScimError(400, 'mutability', reason, detail)
  static tooMany = (reason: Reason, detail: string) => new ScimError(400, 'tooMany', reason, detail)
  static invalidCursor = (reason: Reason, detail: string) => new ScimError(400, 'invalidCursor', reason, detail)
  static expiredCursor = (reason: Reason, detail: string) => new ScimError(400, 'expiredCursor', reason, detail)
  static invalidCount = (reason: Reason, detail: string) => new ScimError(400, 'invalidCount', reason, detail)
  static uniqueness = (reason: Reason, detail: string) => new ScimError(409, 'uniqueness', reason, detail)
  static notFound = (reason: Reason, detail: string) => new ScimError(404, undefined, reason, detail)
  static forbidden = (reason: Reason, detail: string) => new ScimError(403, undefined, reason, detail)
  static preconditionFailed = (reason: Reason, detail: string) => new ScimError(412, undefined, reason, detail)
  static tooLarge = (reason: Reason, detail: string) => new ScimError(413, undefined, reason, detail)
}
