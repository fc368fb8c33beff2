import { randomBytes } from 'node:crypto'

/** By this header the gateway knows requests of its own self-tests, and answers why it refuses them. */
export const SELF_TEST = 'X-Rollcall-Self-Test'
/** The header of that answer. */
export const REASON = 'X-Rollcall-Reason'
/** The value that no other client can know: each process has its own. */
export const selfTestToken = randomBytes(24).toString('base64url')
