import { createHash, hkdfSync } from 'node:crypto'
import { CompactEncrypt, compactDecrypt } from 'jose'

/** Seals secrets that are needed again, unlike those of API keys. A reader of the store, or of a copy of it, does not see them. */
export interface SecretBox {
  /** Once it is done, nothing below asks for the key any more. */
  ready(): Promise<void>
  /** @param owner whose secret it is; for another owner it does not open */
  seal(secret: string, owner: string): Promise<string>
  /** Undefined for what was sealed under another key or for another owner. */
  open(sealed: string, owner: string): Promise<string | undefined>
}

/** Another key made from the instance's own, for what `label` says: neither shows the other (RFC 5869). */
export const derivedKey = (key: string, label: string): string =>
  Buffer.from(hkdfSync('sha256', key, '', `rollcall ${label}`, 32)).toString('base64url')

/** @param key gives what all processes of the instance share; asked for when it is first needed */
export function secretBox(key: () => Promise<string>): SecretBox {
  let known: Promise<Buffer> | undefined
  const derived = () => {
    known ??= key().then((text) => createHash('sha256').update(`secrets\n${text}`).digest())
    // A failure is not remembered: the next secret asks again.
    known.catch(() => {
      known = undefined
    })
    return known
  }
  return {
    ready: async () => {
      await derived()
    },
    seal: async (secret, owner) =>
      new CompactEncrypt(Buffer.from(JSON.stringify({ owner, secret })))
        .setProtectedHeader({ alg: 'dir', enc: 'A256GCM' })
        .encrypt(await derived()),
    async open(sealed, owner) {
      const opened = await compactDecrypt(sealed, await derived(), {
        keyManagementAlgorithms: ['dir'],
        contentEncryptionAlgorithms: ['A256GCM'],
      }).catch(() => undefined)
      if (opened === undefined) return undefined
      const content = JSON.parse(Buffer.from(opened.plaintext).toString()) as { owner: string; secret: string }
      return content.owner === owner ? content.secret : undefined
    },
  }
}
