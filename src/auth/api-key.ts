import { hashSecret, isMintedId, mintedSecrets } from './minted-secret.ts'

export { type MintedKey, sameHash } from './minted-secret.ts'

/** API keys begin with `rck`. For secret scanners: `rck_[0-9A-Za-z]{12}_[0-9A-Za-z]{38}`. */
const API_KEYS = mintedSecrets('rck')

/** Makes a new API key from the system's random source, or a new secret for the key with the given id. */
export const mintApiKey = API_KEYS.mint

/** The id inside `token`, or undefined when it is no key of ours: another shape, or a checksum that shows a typo. */
export const parseApiKey = API_KEYS.parse

/** True for text that has the form of an API key's id. */
export const isApiKeyId = isMintedId

/** SHA-256 of the whole key in base64url. */
export const hashApiKey = hashSecret
