import { claimedIssuer } from '../../auth/access-token.ts'
import { isApiKeyId } from '../../auth/api-key.ts'
import { basicCredentials, basicUser, clientCredentials, isBasic } from '../../auth/basic-credentials.ts'
import type { ExternalIssuers } from '../../auth/external-issuers.ts'
import type { KnownSecret } from '../../auth/stored-key.ts'
import { ASSERTION_TYPE, verifyAssertion } from '../../context/client-assertion.ts'
import type { ControlPlane } from '../../context/control-plane.ts'
import { verifyTrusted } from '../../context/trusted-assertion.ts'
import type { Form } from './form.ts'
import { ComeAgain, TokenRefusal } from './refusal.ts'

/** What a request says beside its form, and whom its assertions may be for. */
export interface Sender {
  readonly authorization: string | undefined
  /** To be noted with the use of the key. */
  readonly userAgent: string | undefined
  readonly audiences: readonly string[]
}

/** What knows the clients. */
export interface Clients {
  readonly control: ControlPlane
  readonly issuers: ExternalIssuers
}

/**
 * Who asks for a token: an API key, whose id is the client's id. With `client_secret_basic` and `client_secret_post` (RFC 6749
 * §2.3.1) the secret is the whole key, or what follows its last underscore. With `private_key_jwt` (RFC 7523 §2.2) a registered
 * public key verifies the assertion, or an issuer that the key trusts has signed it.
 *
 * @throws {TokenRefusal} invalid_client, without a word about what exists; invalid_request; that it is to be tried again, where
 *   the issuer does not give its keys
 */
export async function authenticateClient(
  { control, issuers }: Clients,
  form: Form,
  sender: Sender,
): Promise<KnownSecret> {
  const asserts = form.has('client_assertion') || form.has('client_assertion_type')
  const ways = [asserts, sender.authorization !== undefined, form.has('client_secret')]
  if (ways.filter(Boolean).length > 1)
    throw new TokenRefusal(
      'invalid_request',
      'token-request-malformed',
      'The client must not authenticate in two ways at once.',
    )
  const found = await (!asserts
    ? bySecret(control, form, sender)
    : hasOtherIssuer(form)
      ? byIssuer({ control, issuers }, form, sender)
      : byAssertion(control, form, sender))
  if (form.has('client_id') && form.get('client_id') !== found.principal.keyId)
    throw new TokenRefusal(
      'invalid_request',
      'token-request-malformed',
      'client_id is not the client that authenticates.',
    )
  return found
}

/** The key that a request says it is of, for counting what fails. */
export function claimedKey(authorization: string | undefined, form: Form | undefined): string | undefined {
  const issuer = claimedIssuer(form?.get('client_assertion') ?? '')
  return basicUser(authorization) ?? (issuer !== undefined && isApiKeyId(issuer) ? issuer : form?.get('client_id'))
}

async function bySecret(control: ControlPlane, form: Form, { authorization, userAgent }: Sender): Promise<KnownSecret> {
  const secret = form.get('client_secret')
  if (secret === undefined && (authorization === undefined || !isBasic(authorization)))
    throw new TokenRefusal('invalid_client', 'client-unauthenticated', NOT_AUTHENTICATED)
  const credentials =
    secret === undefined
      ? basicCredentials(authorization, formDecoded)
      : clientCredentials(form.get('client_id') ?? '', secret)
  if (credentials === undefined) throw badClient()
  const found = await control.authenticate(`Bearer ${credentials.key}`, userAgent)
  // The key of the configuration is for the operator, who has no use for tokens.
  if ('challenge' in found || found.secret === undefined) throw badClient()
  return found.secret
}

/** An assertion that a client signs for itself is issued by the API key. */
function hasOtherIssuer(form: Form): boolean {
  if (form.get('client_assertion_type') !== ASSERTION_TYPE)
    throw new TokenRefusal(
      'invalid_request',
      'token-request-malformed',
      `client_assertion_type must be ${ASSERTION_TYPE}.`,
    )
  const issuer = claimedIssuer(form.get('client_assertion') ?? '')
  return issuer !== undefined && !isApiKeyId(issuer)
}

async function byIssuer({ control, issuers }: Clients, form: Form, { userAgent }: Sender): Promise<KnownSecret> {
  const keyId = form.get('client_id')
  if (keyId === undefined)
    throw new TokenRefusal(
      'invalid_client',
      'assertion-wrong',
      'client_id must name the API key that trusts the issuer of the assertion.',
    )
  const found = await verifyTrusted(control, issuers, form.get('client_assertion') ?? '', keyId, Date.now())
  if (!('unproven' in found)) {
    control.noteUse(found, userAgent)
    return found
  }
  const { unproven, retryAfterSeconds } = found
  if (retryAfterSeconds === undefined) throw new TokenRefusal('invalid_client', 'assertion-wrong', unproven)
  throw new ComeAgain(
    503,
    'issuer-keys-away',
    retryAfterSeconds,
    unproven.replace(/\.$/, ''),
    'The log of the gateway says why.',
  )
}

async function byAssertion(control: ControlPlane, form: Form, { audiences, userAgent }: Sender): Promise<KnownSecret> {
  const found = await verifyAssertion(control, form.get('client_assertion') ?? '', audiences, Date.now())
  if (typeof found === 'string') throw new TokenRefusal('invalid_client', 'assertion-wrong', found)
  control.noteUse(found, userAgent)
  return found
}

/** Both halves are form-encoded before they are joined (RFC 6749 §2.3.1). */
function formDecoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    return undefined
  }
}

const NOT_AUTHENTICATED =
  'The client must authenticate: with id and secret of an API key by HTTP Basic or in the form, or by a client assertion.'
const badClient = () =>
  new TokenRefusal(
    'invalid_client',
    'client-secret-wrong',
    'There is no such API key, or its secret is wrong, has ended or was revoked.',
  )
