import { createHash } from 'node:crypto'
import { createReadStream, writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import type { TransferRecord } from '../../src/transfer/records.ts'

const USER = 'urn:ietf:params:scim:schemas:core:2.0:User'
const GROUP = 'urn:ietf:params:scim:schemas:core:2.0:Group'
const ENTERPRISE = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User'

/** An id in the order of `n`, as if made at that moment. */
export const idOf = (n: number, kind: 'user' | 'group'): string =>
  `${(0x19b000000000 + n)
    .toString(16)
    .padStart(12, '0')
    .replace(/^(.{8})/, '$1-')}-7000-8000-${kind === 'user' ? '0' : '1'}00000000000`

/** A directory of so many users, in groups of a hundred, each group in the next one; every user's manager is the next user. */
export function* directory(users: number): Generator<TransferRecord> {
  const groups = Math.ceil(users / 100)
  for (let n = 0; n < users; n++) {
    const resource = {
      ...{ schemas: [USER, ENTERPRISE], id: idOf(n, 'user'), userName: `Üser.${n}@example.com`, externalId: `00u${n}` },
      name: { givenName: `Given ${n}`, familyName: n % 7 === 0 ? 'O"Brien\\' : '山田' },
      emails: [{ value: `user.${n}@example.com`, type: 'work', primary: true }],
      active: n % 10 !== 0,
      [ENTERPRISE]: { department: `d${n % 50}`, manager: { value: idOf((n + 1) % users, 'user') } },
    }
    yield { kind: 'resource', type: 'User', resource }
  }
  for (let g = 0; g < groups; g++) {
    const resource = { schemas: [GROUP], id: idOf(g, 'group'), displayName: `Group ${g}`, externalId: `00g${g}` }
    yield { kind: 'resource', type: 'Group', resource }
  }
  for (let g = 0; g < groups; g++) {
    const group = idOf(g, 'group')
    for (let n = g * 100; n < Math.min(users, (g + 1) * 100); n++)
      yield { kind: 'member', group, member: idOf(n, 'user'), ...(n % 2 === 0 && { display: `called ${n}` }) }
    if (g + 1 < groups) yield { kind: 'member', group: idOf(g + 1, 'group'), member: group }
  }
}

/** Writes records as an export of `tenant` would stand in a file. */
export function writeExport(file: string, records: Iterable<TransferRecord>, tenant = 'made-up'): void {
  const line = (value: object) => `${JSON.stringify(value)}\n`
  writeFileSync(file, line({ kind: 'start', format: 1, tenant }))
  let count = 0
  let text = ''
  for (const record of records) {
    text += line(record)
    if (++count % 1_000 !== 0) continue
    writeFileSync(file, text, { flag: 'a' })
    text = ''
  }
  writeFileSync(file, text + line({ kind: 'end', records: count }), { flag: 'a' })
}

/** A hash of each record in an export, by what the record is of; its start and end are left out. */
export async function hashesIn(file: string): Promise<Map<string, string>> {
  const hashes = new Map<string, string>()
  for await (const line of createInterface({ input: createReadStream(file) })) {
    const { kind, resource, group, member } = JSON.parse(line)
    if (kind !== 'start' && kind !== 'end')
      hashes.set(`${kind} ${resource?.id ?? `${group} ${member}`}`, createHash('sha256').update(line).digest('base64'))
  }
  return hashes
}
