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

/** A refusal that the client should read: becomes a SCIM error response (RFC 7644 §3.12) in one place, http/errors. */
export class ScimError extends Error {
  override readonly name = 'ScimError'
  readonly status: number
  readonly scimType: ScimType | undefined

  /** @param detail what was wrong, for the person who reads the identity provider's log; never internals */
  constructor(status: number, scimType: ScimType | undefined, detail: string) {
    super(detail)
    this.status = status
    this.scimType = scimType
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

  static invalidFilter = (detail: string) => new ScimError(400, 'invalidFilter', detail)
  static invalidSyntax = (detail: string) => new ScimError(400, 'invalidSyntax', detail)
  static invalidValue = (detail: string) => new ScimError(400, 'invalidValue', detail)
  static invalidPath = (detail: string) => new ScimError(400, 'invalidPath', detail)
  static noTarget = (detail: string) => new ScimError(400, 'noTarget', detail)
  static mutability = (detail: string) => new ScimError(400, 'mutability', detail)
  static tooMany = (detail: string) => new ScimError(400, 'tooMany', detail)
  static invalidCursor = (detail: string) => new ScimError(400, 'invalidCursor', detail)
  static expiredCursor = (detail: string) => new ScimError(400, 'expiredCursor', detail)
  static invalidCount = (detail: string) => new ScimError(400, 'invalidCount', detail)
  static uniqueness = (detail: string) => new ScimError(409, 'uniqueness', detail)
  static notFound = (detail: string) => new ScimError(404, undefined, detail)
  static forbidden = (detail: string) => new ScimError(403, undefined, detail)
  static preconditionFailed = (detail: string) => new ScimError(412, undefined, detail)
  static tooLarge = (detail: string) => new ScimError(413, undefined, detail)
}
