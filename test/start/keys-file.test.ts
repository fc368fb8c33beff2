import { mkdtempSync, rmSync } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { keysFile } from '../../src/first-keys.ts'

test('an instance that starts passes over the file of another one that deletes it at this moment', async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'rollcall-keys-file-'))
  onTestFinished(() => rmSync(dataDir, { recursive: true }))
  let over = false
  const other = async (name: string) => {
    while (!over) {
      const path = join(dataDir, `rollcall-first-keys-${name}`)
      await writeFile(path, '{}')
      await rm(path)
    }
  }
  const others = ['a', 'b', 'c'].map(other)
  try {
    for (let n = 0; n < 500; n++) expect(await keysFile({ databaseUrl: undefined, dataDir }).path()).toBeUndefined()
  } finally {
    over = true
    await Promise.all(others)
  }
})
