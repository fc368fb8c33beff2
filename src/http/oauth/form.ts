import { TokenRefusal } from './refusal.ts'

/** Parameters of a request to the token endpoint. */
export type Form = ReadonlyMap<string, string>

const MAX_BODY_BYTES = 16_384

/**
 * Reads the body of a request: form parameters, each once; those without a value are as good as left out (RFC 6749 §3.2).
 * The URL is not looked at.
 *
 * @throws {TokenRefusal} invalid_request
 */
export async function readForm(request: Request): Promise<Form> {
  const type = request.headers.get('content-type')?.split(';', 1)[0]?.trim().toLowerCase()
  if (type !== 'application/x-www-form-urlencoded')
    throw new TokenRefusal(
      'invalid_request',
      'token-request-malformed',
      'The body must be application/x-www-form-urlencoded.',
    )
  const form = new Map<string, string>()
  for (const [name, value] of new URLSearchParams(await textOf(request))) {
    if (form.has(name))
      throw new TokenRefusal('invalid_request', 'token-request-malformed', 'No parameter may be there twice.')
    form.set(name, value)
  }
  for (const [name, value] of form) if (value === '') form.delete(name)
  return form
}

async function textOf({ body }: Request): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of body ?? []) {
    size += chunk.length
    if (size > MAX_BODY_BYTES)
      throw new TokenRefusal(
        'invalid_request',
        'token-request-malformed',
        `The body must not be larger than ${MAX_BODY_BYTES} bytes.`,
      )
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}
