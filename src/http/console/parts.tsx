import type { Child, PropsWithChildren } from 'hono/jsx'
import { useRequestContext } from 'hono/jsx-renderer'
import type { Permission } from '../../auth/principal.ts'
import type { ConsoleEnv } from './env.ts'
import { TAG_FIELD, TOKEN_FIELD } from './forms.ts'

/** A number of things in words, such as `1 user` or `2,000 users`. */
export const counted = (n: number, one: string, many = `${one}s`): string =>
  `${n.toLocaleString('en')} ${n === 1 ? one : many}`

/** Small parts that pages are made of. */

export type Tone = 'good' | 'warn' | 'bad' | 'plain'

export function Badge({ tone = 'plain', children }: PropsWithChildren<{ tone?: Tone }>) {
  return <span class={`badge ${tone}`}>{children}</span>
}

/** A form that changes something, with the token of the session. @param tag of the state that the page shows */
export function Form(props: PropsWithChildren<{ action: string; class?: string; tag?: string | undefined }>) {
  const { action, class: name, tag, children } = props
  const { session } = useRequestContext<ConsoleEnv>().var
  return (
    <form method="post" action={action} class={name}>
      {session && <input type="hidden" name={TOKEN_FIELD} value={session.formToken} />}
      {tag && <input type="hidden" name={TAG_FIELD} value={tag} />}
      {children}
    </form>
  )
}

/** A form that is one button. Where `ask` is given, it is behind a fold that tells what will happen. */
export function Action(props: { action: string; label: string; ask?: string; tone?: 'main' | 'bad'; fields?: Fields }) {
  const { action, label, ask, tone, fields = {} } = props
  const form = (
    <Form action={action}>
      {Object.entries(fields).map(([name, value]) => (
        <input type="hidden" name={name} value={value} />
      ))}
      <button type="submit" class={tone}>
        {label}
      </button>
    </Form>
  )
  if (ask === undefined) return form
  return (
    <details class={tone === undefined ? 'act' : `act ${tone}`}>
      <summary>{label} …</summary>
      <p class="small">{ask}</p>
      {form}
    </details>
  )
}
type Fields = Readonly<Record<string, string>>

/** A moment as people say it, with the exact time for those who point at it. */
export function Moment({ at, never = 'never' }: { at: Date | number | string | null; never?: string }) {
  if (at === null) return <span class="quiet">{never}</span>
  const date = new Date(at)
  const exact = date.toISOString()
  return (
    <time datetime={exact} title={exact}>
      {distance(date.getTime() - Date.now())}
    </time>
  )
}

const WORDS = new Intl.RelativeTimeFormat('en', { numeric: 'auto' })
const UNITS = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
] as const

/** @param ms how far ahead it is; negative for what has been */
function distance(ms: number): string {
  for (const [unit, length] of UNITS) if (Math.abs(ms) >= length) return WORDS.format(Math.trunc(ms / length), unit)
  return ms < 0 ? 'just now' : 'in less than a minute'
}

/** Who did something: a key by its name, with its id for those who point at it. @param names of keys, by id */
export function Actor({ id, names }: { id: string; names: ReadonlyMap<string, string> }) {
  const name = names.get(id) ?? OTHER_ACTORS[id]
  return name === undefined ? <code>{id}</code> : <span title={id}>{name}</span>
}

/** Who is no key of the database. */
const OTHER_ACTORS: Readonly<Record<string, string>> = {
  admin: 'the configured admin key',
  rollcall: 'Rollcall itself',
}

/** Text that a click selects as a whole. */
export function Copy({ text }: { text: string }) {
  return <code class="copy">{text}</code>
}

/** A part of a page with a heading, and perhaps something beside it. */
export function Card({ title, aside, children }: PropsWithChildren<{ title: string; aside?: Child }>) {
  const id = title.toLowerCase().replaceAll(/[^a-z]+/g, '-')
  return (
    <section class="card" aria-labelledby={id}>
      <div class="top">
        <h2 id={id}>{title}</h2>
        {aside}
      </div>
      {children}
    </section>
  )
}

/** A table that scrolls sideways where the window is narrower than it. */
export function Table({ head, children, label }: PropsWithChildren<{ head: readonly string[]; label: string }>) {
  return (
    // What scrolls has to be reached by keyboard. It is no landmark: the card around it is one, often of the same name.
    <figure class="scroll" tabindex={0} aria-label={label}>
      <table>
        <thead>
          <tr>
            {head.map((name) => (
              <th scope="col">{name}</th>
            ))}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </figure>
  )
}

/** A tile with one number. */
export function Tile(props: { number: number | string; label: string; href?: string; tone?: Tone }) {
  const { number, label, href, tone = 'plain' } = props
  const content = (
    <>
      <b>{typeof number === 'number' ? number.toLocaleString('en') : number}</b>
      <span>{label}</span>
    </>
  )
  return href === undefined ? (
    <div class={`tile ${tone}`}>{content}</div>
  ) : (
    <a class={`tile ${tone}`} href={href}>
      {content}
    </a>
  )
}

interface TenantPart {
  readonly name: string
  /** Its address below the tenant's. */
  readonly page: string
  /** Further pages that belong to it, by the first step of their addresses. */
  readonly pages: readonly string[]
  /** Without this permission, its pages are refused. */
  readonly needs?: Permission
}

/** The parts of a tenant's page. */
const TENANT_PARTS: readonly TenantPart[] = [
  { name: 'Overview', page: '', pages: ['events', 'brake', 'audit-log'] },
  { name: 'People', page: 'people', pages: ['users', 'groups', 'sign-in-check', 'history'], needs: 'directory:read' },
  { name: 'Accounts', page: 'accounts', pages: ['account-drift', 'domains'], needs: 'directory:read' },
  { name: 'Connection', page: 'connection', pages: ['api-keys', 'setup-links', 'self-test'] },
  { name: 'Requests', page: 'requests', pages: [] },
  { name: 'Webhooks', page: 'webhooks', pages: ['streams'] },
  { name: 'Settings', page: 'settings', pages: ['role-rules', 'catalogue', 'schemas', 'external-issuers', 'move'] },
]

/** The address of a tenant, and the first step below it. */
const BELOW_TENANT = /^(.*\/tenants\/[^/]+)(?:\/([^/]+))?/

/** The way from one part of a tenant's page to the others; nothing elsewhere. @param path of the page that is shown */
export function TenantParts({ path }: { path: string }) {
  const [, tenant, below = ''] = BELOW_TENANT.exec(path) ?? []
  const { session } = useRequestContext<ConsoleEnv>().var
  if (tenant === undefined || session === undefined) return null
  const { permissions } = session.principal
  const parts = TENANT_PARTS.filter(({ needs }) => needs === undefined || permissions.has(needs))
  return (
    <nav class="tabs parts" aria-label="Tenant">
      {parts.map(({ name, page, pages }) => {
        const href = page === '' ? tenant : `${tenant}/${page}`
        const isCurrent = page === below || pages.includes(below)
        return (
          <a href={href} aria-current={href === path ? 'page' : isCurrent ? 'true' : undefined}>
            {name}
          </a>
        )
      })}
    </nav>
  )
}

/** The way on in a long list, and back to its start; each where there is one. */
export function Pager({ next, first, older = 'Next page' }: { next: Way; first?: Way; older?: string }) {
  if (!next && !first) return null
  return (
    <nav class="pager" aria-label="Pages">
      {first && <a href={first}>Back to the start</a>}
      {next && (
        <a href={next} rel="next">
          {older}
        </a>
      )}
    </nav>
  )
}
type Way = string | 0 | undefined

/** Cuts a list of which one item more than `limit` was asked for; `last` is where to go on, undefined at the end. */
export function cut<Row>(rows: readonly Row[], limit: number): { page: readonly Row[]; last: Row | undefined } {
  const page = rows.slice(0, limit)
  return { page, last: rows.length > limit ? page.at(-1) : undefined }
}
