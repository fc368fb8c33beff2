import type { Gateway, TestTenant } from './gateway.ts'

/** What the application and the operator ask of a tenant's accounts, as they would: over the admin API, with a key for the environment. */
export async function accountsApi(gateway: Gateway, tenant: TestTenant) {
  const key = await gateway.mintKey({ permissions: ['admin', 'accounts:write', 'directory:read'] })
  const base = `${gateway.origin}/api/v1/projects/${gateway.project}/environments/${gateway.environment}/tenants/${tenant.name}`
  const ask = async (method: string, path: string, body?: unknown, type = 'application/json') => {
    const text = body === undefined ? null : typeof body === 'string' ? body : JSON.stringify(body)
    const answer = await fetch(base + path, {
      method,
      headers: { Authorization: `Bearer ${key}`, ...(text === null ? {} : { 'Content-Type': type }) },
      body: text,
    })
    const read = await answer.text()
    const isJson = answer.headers.get('content-type')?.includes('json') === true && !read.includes('}\n{')
    return { status: answer.status, text: read, body: (isJson ? JSON.parse(read) : {}) as Answered }
  }
  const done = async (method: string, path: string, body?: unknown, type?: string) => {
    const answer = await ask(method, path, body, type)
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`)
    return answer.body
  }
  return {
    ask,
    done,
    post: (...accounts: readonly object[]) => done('POST', '/accounts', { accounts }),
    lines: (accounts: readonly object[], query = '') =>
      done(
        'POST',
        `/accounts${query}`,
        accounts.map((account) => `${JSON.stringify(account)}\n`).join(''),
        'application/x-ndjson',
      ),
    /** Says as the operator that a domain is the tenant's, and no longer that of another test. */
    own: (domain: string) => done('PUT', `/domains/${domain}`, { takeOver: true }),
    /** All users who wait, with their candidates. */
    async waiting(): Promise<Review[]> {
      const items: Review[] = []
      for (let after = ''; ; ) {
        const page = (await done('GET', `/account-reviews?limit=200${after}`)) as unknown as {
          items: Review[]
          next: string | null
        }
        items.push(...page.items)
        if (page.next === null) return items
        after = `&after=${page.next}`
      }
    },
    async linkOf(account: string): Promise<string | null> {
      return ((await done('GET', `/accounts/${account}`)) as unknown as { user: string | null }).user
    },
    async events(types = ''): Promise<LoggedEvent[]> {
      const items: LoggedEvent[] = []
      for (let after = 0; ; ) {
        const page = (await done(
          'GET',
          `/events?limit=500&after=${after}${types && `&types=${types}`}`,
        )) as unknown as {
          items: LoggedEvent[]
          next: number
          more: boolean
        }
        items.push(...page.items)
        // Each request numbers some of the events that have no position yet.
        if (!page.more && page.next === after) return items
        after = page.next
      }
    },
  }
}

/** What an answer may have; a test knows which it is. */
export type Answered = Record<string, never> & {
  readonly detail?: string
  readonly items?: readonly Record<string, unknown>[]
}

export interface Review {
  readonly id: string
  readonly userName: string
  readonly candidates: readonly { readonly account: string; readonly by: string; readonly user: string | null }[]
}

export interface LoggedEvent {
  readonly type: string
  readonly position: number
  readonly account?: string
  readonly origin?: string
  readonly resource: { readonly type: string; readonly id: string; readonly version: number }
  readonly changes: Readonly<Record<string, unknown>>
}
