import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose'
import type { Gateway } from './gateway.ts'
import { askToken } from './oauth.ts'

/** An issuer on this machine that vouches for workloads, as Entra ID does in `https://login.microsoftonline.com/{tid}/v2.0`. */
export interface WorkloadIssuer {
  readonly issuer: string
  readonly jwksUri: string
  /** What `jwksUri` answers from now on; without keys, that it fails. */
  publish(keys: readonly JWK[] | undefined): void
  /** How often it was asked for keys. */
  readonly asked: number
  /** The key of `sign`, as it publishes it. */
  readonly jwk: JWK
  /** What an API key says to trust the one workload of `sign`. */
  trust(more?: object): object
  /** An assertion with Entra ID's claims. @param claims in place of them; undefined leaves one out */
  sign(claims?: Readonly<Record<string, unknown>>, header?: object, key?: CryptoKey | Uint8Array): Promise<string>
  close(): Promise<void>
}

/** How long Entra ID's assertions live, in seconds. */
export const ENTRA_LIFE_S = 3_900
export const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

/** A pair of keys, the public half as an issuer publishes it. */
export async function workloadKeys(kid = 'one', alg = 'RS256') {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true })
  return { privateKey, jwk: { ...(await exportJWK(publicKey)), kid, use: 'sig' } }
}

/** @param tid of the directory that it says it is; two issuers of one test differ in it */
export async function openWorkloadIssuer(tid = 'c0ffee00'): Promise<WorkloadIssuer> {
  const { privateKey, jwk } = await workloadKeys()
  let published: readonly JWK[] | undefined = [jwk]
  let [asked, signed] = [0, 0]
  const server = createServer((_, response) => {
    asked++
    if (published === undefined) response.writeHead(503).end()
    else response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify({ keys: published }))
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const issuer = `https://login.microsoftonline.com/${tid}/v2.0`
  const jwksUri = `${origin}/${tid}/discovery/v2.0/keys`
  const oid = `workload-of-${tid}`
  return {
    ...{ issuer, jwksUri, jwk },
    publish: (keys) => {
      published = keys
    },
    get asked() {
      return asked
    },
    trust: (more = {}) => ({
      ...{ issuer, jwksUri, subject: oid, audiences: ['api://app', 'api://app/scim.example.com'] },
      ...{ algorithms: ['RS256'], ...more },
    }),
    sign: (claims = {}, header = {}, key = privateKey) => {
      const iat = Math.floor(Date.now() / 1000)
      signed++
      return new SignJWT({
        ...{ iss: issuer, sub: oid, aud: 'api://app', oid, appid: 'app', tid, ver: '2.0', uti: `uti-${signed}` },
        ...{ iat, nbf: iat, exp: iat + ENTRA_LIFE_S, ...claims },
      })
        .setProtectedHeader({ alg: 'RS256', typ: 'JWT', kid: 'one', ...header })
        .sign(key)
    },
    close: () => new Promise<void>((done) => server.close(() => done())),
  }
}

/** Asks for a token as Entra ID does, for the API key with this id. */
export const askFederated = (
  gateway: Pick<Gateway, 'origin'>,
  keyId: string | undefined,
  assertion: string,
  more: Readonly<Record<string, string>> = {},
) =>
  askToken(gateway, {
    ...{ grant_type: 'client_credentials', ...(keyId !== undefined && { client_id: keyId }), scope: 'scim' },
    ...{ client_assertion_type: ASSERTION_TYPE, client_assertion: assertion, ...more },
  })
