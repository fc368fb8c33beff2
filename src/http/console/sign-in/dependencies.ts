import type { SignInIssuer } from '../../../auth/sign-in-issuer.ts'
import type { AdminDependencies } from '../../control/env.ts'
import type { ConsoleSessions } from '../sessions.ts'

/** What signing in and out needs. */
export interface SignInDependencies
  extends Pick<AdminDependencies, 'database' | 'control' | 'config' | 'failures' | 'deliveries'> {
  readonly sessions: ConsoleSessions
  /** With which people sign in; undefined where there is none. */
  readonly issuer: SignInIssuer | undefined
}
