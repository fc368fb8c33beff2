import { parseApiKey } from '../../context/api-key.ts'
import type { ControlPlane, KnownSecret } from '../../context/control-cache.ts'
import type { Form } from './form.ts'
import { TokenRefusal } from './refusal.ts'

/**
 * Who asks for a token: an API key, which proves itself by `client_secret_basic` (RFC 6749 §2.3.1). The client's id is the
 * key's id; its secret is the whole key, or what follows the last underscore of it.
 *
 * @param userAgent to be noted with the use of the key
 * @throws {TokenRefusal} invalid_client, without a word about what exists; invalid_request
 */
export async function authenticateClient(
  control: ControlPlane,
  authorization: string | undefined,
  form: Form,
  userAgent: string | undefined,
): Promise<KnownSecret> {
  if (form.has('client_secret'))
    throw new TokenRefusal('invalid_client', 'The secret belongs in the Authorization header (client_secret_basic).')
  const { id, secret } = basicCredentials(authorization)
  if (form.has('client_id') && form.get('client_id') !== id)
    throw new TokenRefusal('invalid_request', 'client_id is not the client that authenticates.')
  const key = secret.startsWith('rck_') ? secret : `rck_${id}_${secret}`
  if (parseApiKey(key) !== id) throw badClient()
  const found = await control.authenticate(`Bearer ${key}`, userAgent)
  // The key of the configuration is for the operator, who has no use for tokens.
  if ('challenge' in found || found.secret === undefined) throw badClient()
  return found.secret
}

function basicCredentials(authorization: string | undefined): { readonly id: string; readonly secret: string } {
  const encoded = /^basic +([A-Za-z0-9+/]+={0,2})$/i.exec(authorization?.trim() ?? '')?.[1]
  if (encoded === undefined)
    throw new TokenRefusal(
      'invalid_client',
      'The client must authenticate with HTTP Basic: id and secret of an API key.',
    )
  const text = Buffer.from(encoded, 'base64').toString('utf8')
  const colon = text.indexOf(':')
  if (colon === -1) throw badClient()
  return { id: decoded(text.slice(0, colon)), secret: decoded(text.slice(colon + 1)) }
}

/** Both halves are form-encoded before they are joined (RFC 6749 §2.3.1). */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    throw badClient()
  }
}

const badClient = () =>
  new TokenRefusal('invalid_client', 'There is no such API key, or its secret is wrong, has ended or was revoked.')
