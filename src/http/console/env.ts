import type { HttpBindings } from '@hono/node-server'
import type { Context, Hono } from 'hono'
import type { AdminRequest } from '../control/env.ts'
import type { Session } from './sessions.ts'

/** What requests to the console carry: what those to the admin API do, and the session. `requestId` comes from around it. */
export interface ConsoleEnv {
  Bindings: Partial<HttpBindings>
  Variables: AdminRequest & {
    requestId?: string
    /** For the line in the log. */
    keyId?: string
    /** There on every page but those for signing in. */
    session?: Session | undefined
    /** What a form sent. */
    form: URLSearchParams
  }
}

export type ConsoleContext = Context<ConsoleEnv>

export type ConsoleApp = Hono<ConsoleEnv>
