import { mirrorOver } from './mirror.ts'
import type { Mirror, MirrorOptions } from './types.ts'

export { consumeOutbox, type OutboxOptions } from './outbox.ts'
export * from './types.ts'

/**
 * A mirror of the directory in your own PostgreSQL: users, groups, memberships and roles of all tenants of an environment, or of one.
 *
 *     const mirror = openMirror({ gateway: { origin, key }, database: process.env.DATABASE_URL })
 *     await mirror.follow(signal)
 *
 * @throws {MirrorRefused} for options that cannot be used
 */
export const openMirror = (options: MirrorOptions): Mirror => mirrorOver(options)
