import { randomBytes } from 'node:crypto'

/** By this header the gateway knows requests of its own self-tests, and answers why it refuses them. */
export const SELF_TEST = 'X-Rollcall-Self-Test'
/** The header of that answer. */
export const REASON = 'X-Rollcall-Reason'
/** The value that no other client can know: each process has its own. */
export const selfTestToken = randomBytes(24).toString('base64url')

const MARK = ' (self-test)'
/** The `User-Agent` of a self-test that plays the client `agent`. */
export const selfTestAgent = (agent: string): string => agent + MARK
/** Whether a `User-Agent` is that of a self-test. */
export const isOfSelfTest = (userAgent: string | null): boolean => userAgent?.endsWith(MARK) === true
