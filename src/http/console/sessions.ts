import { randomBytes } from 'node:crypto'
import { hashApiKey } from '../../auth/api-key.ts'
import { missingPermission } from '../../auth/authenticate.ts'
import { CONFIGURED_ADMIN, type Principal } from '../../auth/principal.ts'
import { credentialOf } from '../../auth/stored-key.ts'
import type { ControlPlane } from '../../context/control-plane.ts'
import type { ConsoleSessionStore } from '../../repositories/control/console-sessions.ts'
import type { SecretBox } from '../../signing/secret-box.ts'

/** How long a session lasts; use does not prolong it. */
export const SESSION_SECONDS = 8 * 3600
const SESSION_MS = SESSION_SECONDS * 1000

/** Who looks at the console, by the key that signed in. */
export interface Session {
  readonly principal: Principal
  readonly id: string
  /** What every form of the session sends along. */
  readonly formToken: string
}

/** What a cookie holds, sealed: which secret of which key, and no secret. */
interface Ticket {
  /** The session's, in the store; older cookies have none. */
  readonly id?: string
  readonly keyId: string
  /** The secret's version; of the configuration's key, what tells it from the one that may follow it. */
  readonly credential: number | string
  /** Milliseconds since 1970. */
  readonly issuedAt: number
  readonly formToken: string
}

/** Why a sign-in failed. */
interface Refused {
  readonly refused: string
  /** As a challenge has it. */
  readonly mayBeGuess?: true | undefined
}

const OWNER = 'console session'

/**
 * Sessions of the console. The cookie says what a session is, sealed; a row says that it has not been ended, on whichever
 * instance. What its key may do is asked of the control plane for each request, so that a session ends within a second of its
 * key.
 *
 * @param adminKey the key that the configuration gives
 */
export function consoleSessions(
  control: ControlPlane,
  box: SecretBox,
  store: ConsoleSessionStore,
  adminKey: string | undefined,
) {
  const configured = adminKey === undefined ? undefined : hashApiKey(hashApiKey(adminKey))

  /** Who holds a key's secret now; undefined where it is good no longer. */
  async function holderOf({ keyId, credential }: Ticket, client: string | undefined): Promise<Principal | undefined> {
    if (keyId === CONFIGURED_ADMIN.keyId) return credential === configured ? CONFIGURED_ADMIN : undefined
    const stored = await control.apiKey(keyId)
    const secret = stored && !stored.revoked ? credentialOf(stored, credential) : undefined
    const good = secret !== undefined && control.noteUse({ ...secret, revoked: false }, client)
    return good ? secret.principal : undefined
  }

  return {
    /** Begins a session with an API key; or says why not. `client` is its `User-Agent`. */
    async begin(key: string, client: string | undefined): Promise<{ cookie: string } | Refused> {
      const result = await control.authenticate(`Bearer ${key}`, client)
      if ('challenge' in result) return { refused: result.challenge.detail, mayBeGuess: result.challenge.mayBeGuess }
      const { principal, secret } = result
      if (principal.userId !== undefined)
        return { refused: 'This API key stands for a user; the console is for operators.' }
      const lacking = missingPermission(principal, 'admin')
      if (lacking !== undefined) return { refused: lacking.detail }
      const issuedAt = Date.now()
      const ticket: Ticket = {
        id: await store.begin(principal.keyId, new Date(issuedAt + SESSION_MS)),
        keyId: principal.keyId,
        credential: secret?.version ?? configured ?? '',
        issuedAt,
        formToken: randomBytes(18).toString('base64url'),
      }
      return { cookie: await box.seal(JSON.stringify(ticket), OWNER) }
    },

    /** The session that a cookie is, while it lasts and its key is good. */
    async find(cookie: string | undefined, client: string | undefined): Promise<Session | undefined> {
      const text = cookie === undefined ? undefined : await box.open(cookie, OWNER)
      if (text === undefined) return undefined
      const ticket = JSON.parse(text) as Ticket
      if (ticket.issuedAt + SESSION_MS <= Date.now()) return undefined
      if (ticket.id === undefined || !(await store.has(ticket.id))) return undefined
      const principal = await holderOf(ticket, client)
      return principal?.permissions.has('admin') ? { principal, id: ticket.id, formToken: ticket.formToken } : undefined
    },

    /** Ends a session, or all of its key, on every instance. */
    end: ({ id, principal }: Session, everywhere: boolean): Promise<void> =>
      everywhere ? store.endAllOf(principal.keyId) : store.end(id),
  }
}

export type ConsoleSessions = ReturnType<typeof consoleSessions>
