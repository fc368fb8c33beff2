import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT, UnsecuredJWT } from 'jose'
import Provider from 'oidc-provider'

/** The client that both issuers know. */
export const CLIENT = { id: 'rollcall', secret: 'a-secret-of-the-client' } as const

/** Variables with which a gateway signs people in by an issuer on this machine; `operators` may do everything. */
export const signInBy = (issuer: string): Record<string, string> => ({
  DELIVERY_NETWORKS: '127.0.0.0/8',
  CONSOLE_OIDC_ISSUER: issuer,
  CONSOLE_OIDC_CLIENT_ID: CLIENT.id,
  CONSOLE_OIDC_CLIENT_SECRET: CLIENT.secret,
  CONSOLE_OIDC_SCOPES: 'openid profile email groups',
  CONSOLE_OIDC_ACCESS: JSON.stringify([
    { value: 'operators', permissions: ['admin', 'directory:read', 'scim:read', 'scim:write'] },
    { value: 'support of acme', permissions: ['admin'], place: 'shop/prod/acme' },
  ]),
})

/** People by what they type as their login. */
const PEOPLE: Readonly<Record<string, { readonly name: string; readonly groups: readonly string[] }>> = {
  ada: { name: 'Ada Lovelace', groups: ['everybody', 'operators'] },
  grace: { name: 'Grace Hopper', groups: ['support of acme'] },
  eve: { name: 'Eve', groups: ['everybody'] },
}

export interface Issuer {
  readonly url: string
  close(): Promise<void>
}

/**
 * npm's `oidc-provider` on this machine, which asks for a login and for consent. It knows `ada`, `grace` and `eve`.
 *
 * @param console address of the console to which it sends browsers back
 * @param elsewhere other addresses to which it sends them back
 */
export async function openProvider(console: string, elsewhere: readonly string[] = []): Promise<Issuer> {
  const server = await listening()
  const provider = new Provider(server.url, {
    clients: [
      {
        ...{ client_id: CLIENT.id, client_secret: CLIENT.secret },
        redirect_uris: [`${console}/sign-in/oidc/return`, ...elsewhere],
        post_logout_redirect_uris: [`${console}/sign-in`],
      },
    ],
    claims: { openid: ['sub'], profile: ['name'], email: ['email', 'email_verified'], groups: ['groups'] },
    findAccount: (_: unknown, id: string) => {
      const { name, groups } = PEOPLE[id] ?? { name: id, groups: [] }
      const email = { email: `${id}@example.com`, email_verified: true }
      return { accountId: id, claims: () => ({ sub: id, name, groups, ...email }) }
    },
    cookies: { keys: ['a key for cookies'] },
    // As long as it likes, and without a word about it.
    ttl: { AccessToken: 3_600, Grant: 3_600, IdToken: 3_600, Interaction: 3_600, Session: 3_600 },
    features: { devInteractions: { enabled: true }, rpInitiatedLogout: { enabled: true } },
  })
  server.on(provider.callback())
  return server
}

/** Goes from the address at which a sign-in begins to the one back at the client, as the person of this login. */
export async function signInAt({ url }: Issuer, address: string, login: string): Promise<string> {
  const cookies = new Map<string, string>()
  let [next, form] = [address, undefined as URLSearchParams | undefined]
  while (next.startsWith(url)) {
    const headers = { Cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; ') }
    const post = form === undefined ? {} : { method: 'POST', body: form }
    const answer = await fetch(next, { redirect: 'manual', headers, ...post })
    for (const cookie of answer.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(cookie) ?? []
      cookies.set(name, value)
    }
    const location = answer.headers.get('Location')
    const page = await answer.text()
    const [, prompt] = /name="prompt" value="(\w+)"/.exec(page) ?? []
    if (location === null && prompt === undefined) throw new Error(`${next}: ${answer.status} ${page}`)
    form = location === null ? new URLSearchParams({ prompt: prompt ?? '', login, password: 'any' }) : undefined
    const [, action = next] = /<form[^>]* action="([^"]+)"/.exec(page) ?? []
    next = new URL(location ?? action, next).href
  }
  return next
}

/** What an issuer says that does not keep to the rules. */
export interface Faults {
  /** Claims of the ID token in place of those that would be right. */
  readonly claims?: JWTPayload
  readonly signedBy?: 'a key of its own' | 'nobody'
  /** Of the token endpoint. */
  readonly status?: number
}

/** An issuer that answers as it is told: right, or with faults. */
export interface FaultyIssuer extends Issuer {
  /** How it answers from now on. */
  answer(faults: Faults): void
  /** The address back at the client, for the one at which a sign-in began. @param more in place of what would be right */
  back(address: string, more?: Readonly<Record<string, string>>): string
  /** How often anything was asked of it. */
  readonly asked: number
}

export async function openFaultyIssuer(): Promise<FaultyIssuer> {
  const server = await listening()
  const [right, other] = [await generateKeyPair('ES256'), await generateKeyPair('ES256')]
  const jwk = { ...(await exportJWK(right.publicKey)), kid: 'one', alg: 'ES256', use: 'sig' }
  const nonces = new Map<string, string>()
  let [faults, asked]: [Faults, number] = [{}, 0]
  const idToken = (nonce: string) => {
    const now = Math.floor(Date.now() / 1000)
    const times = { iat: now, exp: now + 300 }
    const person = { sub: 'ada', name: 'Ada Lovelace', email: 'ada@example.com', groups: ['operators'] }
    const claims = { iss: server.url, aud: CLIENT.id, nonce, ...times, ...person, ...faults.claims }
    if (faults.signedBy === 'nobody') return new UnsecuredJWT(claims).encode()
    const { privateKey } = faults.signedBy === undefined ? right : other
    return new SignJWT(claims).setProtectedHeader({ alg: 'ES256', kid: 'one' }).sign(privateKey)
  }
  const metadata = {
    ...{ issuer: server.url, authorization_endpoint: `${server.url}/auth`, token_endpoint: `${server.url}/token` },
    ...{ jwks_uri: `${server.url}/jwks`, id_token_signing_alg_values_supported: ['ES256'] },
    ...{ response_types_supported: ['code'], subject_types_supported: ['public'] },
    authorization_response_iss_parameter_supported: true,
  }
  server.on(async (incoming, outgoing) => {
    asked++
    const send = (status: number, body: object) =>
      outgoing.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body))
    if (incoming.url === '/.well-known/openid-configuration') return send(200, metadata)
    if (incoming.url === '/jwks') return send(200, { keys: [jwk] })
    const code = new URLSearchParams(await textOf(incoming)).get('code') ?? ''
    const nonce = nonces.get(code)
    nonces.delete(code)
    if (nonce === undefined) return send(400, { error: 'invalid_grant' })
    return send(faults.status ?? 200, {
      ...{ access_token: 'for-nothing', token_type: 'Bearer', id_token: await idToken(nonce) },
    })
  })
  return {
    ...server,
    answer: (next) => {
      faults = next
    },
    back: (address, more = {}) => {
      const sent = new URL(address).searchParams
      const code = `code-${nonces.size}-${sent.get('state')}`
      nonces.set(code, sent.get('nonce') ?? '')
      const query = new URLSearchParams({ code, state: sent.get('state') ?? '', iss: server.url, ...more })
      for (const name of [...query.keys()]) if (query.get(name) === '') query.delete(name)
      return `${sent.get('redirect_uri')}?${query}`
    },
    get asked() {
      return asked
    },
  }
}

/** A server whose handler is known only when its address is. */
async function listening() {
  const server: Server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    on: (handler: Parameters<typeof createServer>[1] & object) => {
      server.on('request', handler)
    },
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function textOf(incoming: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of incoming) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}
