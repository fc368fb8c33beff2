import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import type { LogoutIssuer } from '../../src/tenancy/trusted-issuers.ts'

/** Header and claims of a token that are not as they should be. */
export interface Odd {
  readonly header?: Readonly<Record<string, unknown>>
  readonly claims?: Readonly<Record<string, unknown>>
  /** Signed by a key that the issuer does not publish. */
  readonly forged?: true
}

/** An identity provider that ends sessions by Global Token Revocation, as Okta does: it signs with RS256 and publishes its key. */
export interface LogoutProvider {
  readonly url: string
  /** The setting with which a tenant registers it. */
  readonly registered: LogoutIssuer
  /** A token for the URL to which it is sent. */
  token(url: string, odd?: Odd): Promise<string>
  close(): Promise<void>
}

export const secondsFromNow = (seconds: number): number => Math.floor(Date.now() / 1000) + seconds

export async function openLogoutProvider(): Promise<LogoutProvider> {
  const newKeys = () => generateKeyPair('RS256', { extractable: true })
  const [own, other] = await Promise.all([newKeys(), newKeys()])
  const jwks = JSON.stringify({ keys: [{ ...(await exportJWK(own.publicKey)), kid: 'one', alg: 'RS256' }] })
  const server = createServer((_, response) => response.end(jwks))
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  let tokens = 0
  return {
    url,
    registered: { name: 'okta', issuer: url, jwksUri: `${url}/keys`, algorithms: ['RS256'] },
    token: (audience, { header = {}, claims = {}, forged } = {}) =>
      new SignJWT({
        ...{ jti: `token ${++tokens} of ${url}`, iss: url, sub: 'application-1', aud: audience },
        ...{ exp: secondsFromNow(300), nbf: secondsFromNow(-300), iat: secondsFromNow(0), ...claims },
      })
        .setProtectedHeader({ alg: 'RS256', kid: 'one', typ: 'global-token-revocation+jwt', ...header })
        .sign(forged ? other.privateKey : own.privateKey),
    close: () =>
      new Promise((done) => {
        server.close(() => done())
        server.closeAllConnections()
      }),
  }
}
