import type { SigningAlgorithm, SigningKeyStore, StoredSigningKey } from '../../src/signing/keyring.ts'

/** Signing keys in memory; `asked` counts how often they were listed. */
export function signingKeysInMemory(
  algorithm: SigningAlgorithm = 'ES256',
): SigningKeyStore & { readonly kept: StoredSigningKey[]; asked: number } {
  const kept: StoredSigningKey[] = []
  return {
    algorithm,
    kept,
    asked: 0,
    async list() {
      this.asked++
      return [...kept].sort((a, b) => b.generation - a.generation)
    },
    async insert(key) {
      if (!kept.some(({ generation }) => generation === key.generation)) kept.push(key)
    },
    async deleteBefore(generation) {
      const stays = kept.filter((key) => key.generation >= generation)
      kept.splice(0, kept.length, ...stays)
    },
  }
}
