import { randomUUID } from 'node:crypto'
import { ACME, type Page, type TestConsole } from './console.ts'
import { ORIGIN } from './instances.ts'

type Fields = Readonly<Record<string, string>>

/** What the admin API says of a new set-up link. */
export interface MadeLink {
  readonly id: string
  readonly url: string
}

/** Somebody with a set-up link, whose browser keeps cookies as browsers do: by name and path. */
export interface LinkVisitor {
  /** `name=value` of each cookie, by name. */
  readonly cookies: ReadonlyMap<string, string>
  /** Where the pages of the link are, such as `/setup/kX3pQ9vT2bLm`. */
  readonly path: string
  /** A page below the link's, or another address that begins with `/setup`. */
  get(page?: string): Promise<Page>
  /** Sends a form as the pages have it, with the token that the overview shows and an id of its own. */
  post(page: string, fields?: Fields, headers?: Fields): Promise<Page>
}

const TOKEN = /name="form-token" value="([^"]+)"/

/** Makes a link for a tenant, by default as the operator. */
export const makeLink = (opened: TestConsole, tenant = ACME, body: object = {}, key?: string): Promise<MadeLink> =>
  opened.admin<MadeLink>('POST', `${tenant}/setup-links`, { name: 'IT of Acme', ...body }, key)

/** A request as a browser sends it; `form` makes it a POST from a page of the portal. */
export async function askPortal(
  opened: TestConsole,
  path: string,
  {
    form,
    cookie,
    headers = {},
    origin = ORIGIN,
  }: { form?: Fields; cookie?: string; headers?: Fields; origin?: string } = {},
): Promise<Page> {
  const sent = new Headers({ 'User-Agent': 'test', ...headers })
  if (cookie !== undefined) sent.set('Cookie', cookie)
  const init: RequestInit = { headers: sent }
  if (form !== undefined) {
    init.method = 'POST'
    if (!sent.has('Origin')) sent.set('Origin', origin)
    if (!sent.has('Content-Type')) sent.set('Content-Type', 'application/x-www-form-urlencoded')
    init.body = new URLSearchParams(form).toString()
  }
  const answer = await opened.instance.send(new Request(ORIGIN + path, init))
  return { status: answer.status, headers: answer.headers, text: await answer.text() }
}

/** Opens a link. Throws where that is refused. */
export async function openLink(opened: TestConsole, url: string, origin = ORIGIN): Promise<LinkVisitor> {
  const answer = await askPortal(opened, new URL(url).pathname)
  const path = answer.headers.get('Location') ?? ''
  if (answer.status !== 303) throw new Error(`not let in: ${answer.status} ${answer.text}`)
  const cookies = new Map<string, string>()
  const keep = ({ headers }: Page) => {
    for (const line of headers.getSetCookie()) {
      const [pair = ''] = line.split(';')
      const name = pair.slice(0, pair.indexOf('='))
      if (/Max-Age=0/.test(line)) cookies.delete(name)
      else cookies.set(name, pair)
    }
  }
  keep(answer)
  const at = (page: string) => (page.startsWith('/setup') ? page : path + page)
  const ask = async (page: string, options: Parameters<typeof askPortal>[2] = {}): Promise<Page> => {
    const told = await askPortal(opened, at(page), { ...options, cookie: [...cookies.values()].join('; '), origin })
    keep(told)
    return told
  }
  return {
    ...{ cookies, path },
    get: (page = '') => ask(page),
    async post(page, fields = {}, headers = {}) {
      const [, token = ''] = TOKEN.exec((await ask('')).text) ?? []
      return ask(page, { form: { 'form-token': token, 'form-id': randomUUID(), ...fields }, headers })
    },
  }
}

/** The same, and begins a session. */
export async function beginWith(opened: TestConsole, url: string, origin = ORIGIN): Promise<LinkVisitor> {
  const visitor = await openLink(opened, url, origin)
  const answer = await visitor.post('/begin')
  if (answer.status !== 303) throw new Error(`no session: ${answer.status} ${answer.text}`)
  return visitor
}
