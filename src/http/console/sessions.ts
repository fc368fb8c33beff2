import { createHash, randomBytes } from 'node:crypto'
import type { Administration } from '../../administration/change.ts'
import { beginConsoleSession, endConsoleSession, endConsoleSessionsOf } from '../../administration/console-sessions.ts'
import { hashApiKey } from '../../auth/api-key.ts'
import { missingPermission } from '../../auth/authenticate.ts'
import { CONFIGURED_ADMIN, type Principal, personId, type Scope } from '../../auth/principal.ts'
import type { Person } from '../../auth/sign-in-issuer.ts'
import { credentialOf } from '../../auth/stored-key.ts'
import type { ControlPlane } from '../../context/control-plane.ts'
import { describeClient } from '../../network/user-agent.ts'
import type {
  ConsoleSessionRow,
  ConsoleSessionStore,
  EndedSession,
} from '../../repositories/control/console-sessions.ts'
import type { SecretBox } from '../../signing/secret-box.ts'
import { accessOf, type ConsoleSignIn } from '../../tenancy/console-sign-in.ts'

/** Who looks at the console: an API key, or a person whom an issuer knows. */
export interface Session {
  readonly principal: Principal
  readonly id: string
  /** What the issuer said of a person; null of an API key. */
  readonly person: ConsoleSessionRow['person']
  /** What every form of the session sends along. */
  readonly formToken: string
}

/** What a cookie holds, sealed. */
interface Ticket {
  readonly id: string
  readonly secret: string
  /** What tells the configuration's key from the one that may follow it. */
  readonly configured?: string | undefined
}

/** Where a sign-in comes from. */
export interface SignInFrom {
  /** The browser's `User-Agent`. */
  readonly client: string | undefined
  /** For changes in the name of a key or a person. */
  administration(actor: string, actorName: string | null): Administration
}

/** Why a sign-in failed. */
interface Refused {
  readonly refused: string
  /** As a challenge has it. */
  readonly mayBeGuess?: true | undefined
}

const [SESSION, ID_TOKEN] = ['console session', 'console id token']

/** How a person is called in the audit trail. */
export const nameOf = ({ name, email }: { readonly name: string; readonly email: string | null }): string =>
  email === null || email === name ? name : `${name} <${email}>`

/**
 * Sessions of the console. The row says whose a session is and until when it lasts; the cookie has the row's id and a secret,
 * sealed, and the row the secret's hash. What the key or the person may do is asked anew for each request. So a session ends at
 * once where it is ended, and within a second of its key.
 *
 * @param adminKey the key that the configuration gives
 * @param signIn by which issuer people sign in
 */
export function consoleSessions(
  control: ControlPlane,
  box: SecretBox,
  store: ConsoleSessionStore,
  { adminKey, signIn }: { readonly adminKey: string | undefined; readonly signIn: ConsoleSignIn | undefined },
) {
  const configured = adminKey === undefined ? undefined : hashApiKey(hashApiKey(adminKey))

  /** Who holds a key's secret now; undefined where it is good no longer. */
  async function holderOf(
    { keyId, credential }: ConsoleSessionRow,
    ticket: Ticket,
    client: string | undefined,
  ): Promise<Principal | undefined> {
    if (keyId === CONFIGURED_ADMIN.keyId) return ticket.configured === configured ? CONFIGURED_ADMIN : undefined
    const stored = await control.apiKey(keyId)
    const secret = stored && !stored.revoked ? credentialOf(stored, Number(credential)) : undefined
    const good = secret !== undefined && control.noteUse({ ...secret, revoked: false }, client)
    return good ? secret.principal : undefined
  }

  /** What a person may do by the configuration as it is now; undefined where that is nothing. */
  async function personWith(keyId: string, claimed: readonly string[]): Promise<Principal | undefined> {
    const access = signIn && accessOf(signIn, claimed)
    const scope = access && (await scopeAt(access.place))
    if (access === undefined || scope === undefined) return undefined
    const permissions = new Set(access.permissions)
    const key = { userId: undefined, expiresAt: undefined, via: 'key', tokensMayMintAdminKeys: false } as const
    return { keyId, scope, permissions, ...key }
  }

  async function scopeAt(place: string | undefined): Promise<Scope | undefined> {
    if (place === undefined) return { kind: 'instance' }
    const [project = '', environment, tenant] = place.split('/')
    const found = await control.place({ project, environment, tenant }, { kind: 'instance' })
    const projectId = found.project?.id
    if (projectId === undefined) return undefined
    if (environment === undefined) return { kind: 'project', projectId }
    const environmentId = found.environment?.id
    if (environmentId === undefined) return undefined
    if (tenant === undefined) return { kind: 'environment', projectId, environmentId }
    const tenantId = found.tenant?.id
    return tenantId && { kind: 'tenant', projectId, environmentId, tenantId }
  }

  async function begun(
    { keyId, scope }: Principal,
    { client, administration }: SignInFrom,
    of: Pick<ConsoleSessionRow, 'credential' | 'person'> & { readonly idToken: string | null },
  ): Promise<{ cookie: string }> {
    const secret = randomBytes(32).toString('base64url')
    const by = administration(keyId, of.person && nameOf(of.person))
    const from = { address: by.author.address, client: describeClient(client) }
    const { id } = await beginConsoleSession(by, scope, { keyId, hash: hashApiKey(secret), ...of, ...from }, new Date())
    const ticket: Ticket = { id, secret, configured: keyId === CONFIGURED_ADMIN.keyId ? configured : undefined }
    return { cookie: await box.seal(JSON.stringify(ticket), SESSION) }
  }

  return {
    /** Begins a session with an API key; or says why not. */
    async begin(key: string, from: SignInFrom): Promise<{ cookie: string } | Refused> {
      const result = await control.authenticate(`Bearer ${key}`, from.client)
      if ('challenge' in result) return { refused: result.challenge.detail, mayBeGuess: result.challenge.mayBeGuess }
      const { principal, secret } = result
      if (principal.userId !== undefined)
        return { refused: 'This API key stands for a user; the console is for operators.' }
      const lacking = missingPermission(principal, 'admin')
      if (lacking !== undefined) return { refused: lacking.detail }
      const credential = secret === undefined ? null : String(secret.version)
      return begun(principal, from, { credential, person: null, idToken: null })
    },

    /** Begins a session of a person; undefined where the configuration gives that person nothing. */
    async beginFor(
      { subject, name, email, values, idToken }: Person,
      from: SignInFrom,
    ): Promise<{ cookie: string } | undefined> {
      const principal = await personWith(personId(subject), values)
      if (signIn === undefined || principal === undefined) return undefined
      const { issuer, access } = signIn
      const claimed = values.filter((value) => access.some((entry) => entry.value === value))
      const sealed = idToken === null ? null : await box.seal(idToken, ID_TOKEN)
      return begun(principal, from, { credential: null, person: { issuer, name, email, claimed }, idToken: sealed })
    },

    /** The session that a cookie is, while it lasts and its key or person is good. */
    async find(cookie: string | undefined, client: string | undefined): Promise<Session | undefined> {
      const text = cookie === undefined ? undefined : await box.open(cookie, SESSION)
      if (text === undefined) return undefined
      const ticket = JSON.parse(text) as Partial<Ticket>
      // Cookies of releases that knew no secret.
      if (ticket.id === undefined || ticket.secret === undefined) return undefined
      const { id, secret } = ticket
      const row = await store.find(id, hashApiKey(secret), new Date())
      if (row === undefined) return undefined
      const { keyId, person } = row
      if (person !== null && person.issuer !== signIn?.issuer) return undefined
      const principal = await (person === null
        ? holderOf(row, { ...ticket, id, secret }, client)
        : personWith(keyId, person.claimed))
      if (!principal?.permissions.has('admin')) return undefined
      const formToken = createHash('sha256').update(`form ${secret}`).digest('base64url')
      return { principal, id, person, formToken }
    },

    /**
     * Ends a session, or all of its key or person, on every instance. Gives what the issuer of a person knows the session by; null
     * where it knows none, undefined where there is no issuer.
     */
    async end(
      { id, principal, person }: Session,
      by: Administration,
      everywhere: boolean,
    ): Promise<string | null | undefined> {
      const { keyId, scope } = principal
      const ended: readonly EndedSession[] = everywhere
        ? await endConsoleSessionsOf(by, scope, keyId)
        : [await endConsoleSession(by, scope, id, keyId)]
      if (person === null) return undefined
      const sealed = ended.find((one) => one.id === id)?.idToken ?? null
      return sealed === null ? null : ((await box.open(sealed, ID_TOKEN)) ?? null)
    },
  }
}

export type ConsoleSessions = ReturnType<typeof consoleSessions>
