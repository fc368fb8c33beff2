import { randomBytes } from 'node:crypto'
import type { Context } from 'hono'
import { deleteCookie, getCookie, setCookie } from 'hono/cookie'
import { LEAST } from '../../administration/keys/api-keys.ts'
import { VISIT_SECONDS } from '../../administration/keys/setup-links.ts'
import { Refusal } from '../../administration/refusal.ts'
import { isApiKeyId } from '../../auth/api-key.ts'
import { covers, type Principal } from '../../auth/principal.ts'
import type { ControlPlane } from '../../context/control-plane.ts'
import type { SetupLinkRow } from '../../repositories/control/keys/setup-links.ts'
import type { SecretBox } from '../../signing/secret-box.ts'
import type { OriginPolicy } from '../../tenancy/base-url.ts'
import type { SetupPortal } from '../../tenancy/settings.ts'
import { siteOf } from '../control/origin.ts'
import { SETUP } from '../control/setup-urls.ts'

/** What a cookie holds, sealed: the link by which its browser came, and no secret. */
export interface Ticket {
  readonly link: string
  /** The session; undefined for who has opened the link and begun nothing yet. */
  readonly visit?: string | undefined
  /** What every form of the session sends along. */
  readonly formToken: string
  /** Milliseconds since 1970. */
  readonly endsAt: number
}

const OWNER = 'set-up portal'
/** From opening the link to beginning a session. */
const ENTRY_SECONDS = 900
const NAMES = { entry: 'rollcall_setup_entry', visit: 'rollcall_setup' } as const

/**
 * The cookies of a link's visitors. They go to the pages of that link alone. In a frame of another site a browser sends them only
 * as `SameSite=None` with `Secure`, and keeps them for that site by itself (`Partitioned`).
 */
export function visitorCookies(box: SecretBox, config: OriginPolicy) {
  const attributes = (c: Context, link: string, { frameAncestors }: Pick<SetupPortal, 'frameAncestors'>) => {
    const path = `${SETUP}/${link}`
    return frameAncestors.length > 0
      ? ({ path, httpOnly: true, sameSite: 'None', secure: true, partitioned: true } as const)
      : ({ path, httpOnly: true, sameSite: 'Lax', secure: siteOf(c, config).startsWith('https:') } as const)
  }

  async function opened(text: string | undefined, link: string): Promise<Ticket | undefined> {
    const ticket = text === undefined ? undefined : await box.open(text, OWNER)
    if (ticket === undefined) return undefined
    const read = JSON.parse(ticket) as Ticket
    return read.link === link && read.endsAt > Date.now() ? read : undefined
  }

  return {
    /** What a browser shows for a link: its session, else that it has opened the link. */
    async of(c: Context, link: string): Promise<Ticket | undefined> {
      return (await opened(getCookie(c, NAMES.visit), link)) ?? (await opened(getCookie(c, NAMES.entry), link))
    },

    /** Lets a browser in: to the question whether to begin, or with `visit` to all pages of the link. */
    async set(c: Context, link: SetupLinkRow, portal: SetupPortal, visit?: string): Promise<void> {
      const seconds = visit === undefined ? ENTRY_SECONDS : VISIT_SECONDS
      const endsAt = Math.min(Date.now() + seconds * 1000, link.expiresAt.getTime())
      const ticket: Ticket = { link: link.id, visit, formToken: randomBytes(18).toString('base64url'), endsAt }
      const maxAge = Math.max(1, Math.floor((endsAt - Date.now()) / 1000))
      const value = await box.seal(JSON.stringify(ticket), OWNER)
      setCookie(c, visit === undefined ? NAMES.entry : NAMES.visit, value, {
        ...attributes(c, link.id, portal),
        maxAge,
      })
    },

    clear(c: Context, link: string, portal: SetupPortal): void {
      for (const name of Object.values(NAMES)) deleteCookie(c, name, attributes(c, link, portal))
    },
  }
}

/** When a session that begins now ends. */
export const visitEnd = ({ expiresAt }: Pick<SetupLinkRow, 'expiresAt'>): Date =>
  new Date(Math.min(Date.now() + VISIT_SECONDS * 1000, expiresAt.getTime()))

/** Who a link's visitors are to the gateway: they may give the identity provider of one tenant what it needs, and no more. */
export const visitorOf = ({ id, name, scope }: SetupLinkRow): Principal => ({
  keyId: `set-up link ${name} (${id})`,
  scope,
  permissions: new Set(LEAST),
  userId: undefined,
  expiresAt: undefined,
  via: 'key',
  tokensMayMintAdminKeys: false,
})

/**
 * Refuses a link that is over: it has expired, was revoked, or the key that made it could not make it any more. That key has ended,
 * or the tenant is where it does not reach. The operator's own links,
 * of the key in the configuration and of the command line on the database, end by the first two alone.
 *
 * @throws {Refusal} 410
 */
export async function refuseEnded(control: ControlPlane, link: SetupLinkRow): Promise<void> {
  const now = Date.now()
  if (link.revokedAt !== null) throw ended('was revoked')
  if (link.expiresAt.getTime() <= now) throw ended('has expired')
  if (!isApiKeyId(link.madeBy)) return
  const maker = await control.apiKey(link.madeBy)
  const mayStill = ({ expiresAt = Number.POSITIVE_INFINITY, scope, permissions }: Principal) =>
    expiresAt > now && covers(scope, link.scope) && LEAST.every((permission) => permissions.has(permission))
  if (maker === undefined || maker.revoked || !maker.secrets.some(({ principal }) => mayStill(principal)))
    throw ended('has ended with what the key that made it may do')
}

const ended = (how: string): Refusal => new Refusal(410, `This link ${how}.`)
