import { v7 as uuidv7 } from 'uuid'
import { erasureRecord } from '../administration/audit-records.ts'
import { type Administration, change } from '../administration/change.ts'
import { Refusal } from '../administration/refusal.ts'
import type { Scope } from '../auth/principal.ts'
import type { Database } from '../db/database.ts'
import { eventNoun } from '../events/types.ts'
import { builtIn, lookUp } from '../provisioning/look-up.ts'
import { resultOf, write } from '../provisioning/writes.ts'
import { type ErasedRows, type ErasureRow, erasuresOf } from '../repositories/erasure/erasures.ts'
import { forgetKeptUser, keptUserNamed, tracesOf } from '../repositories/erasure/traces.ts'
import type { Repositories } from '../repositories/tenant-scope.ts'
import { fold } from '../scim/comparable.ts'
import type { JsonObject } from '../scim/resource.ts'
import type { ResourceType } from '../scim/schema/resource-type.ts'
import type { TenantContext } from '../tenancy/tenant.ts'
import { someone, withAttributes, withTexts } from './person.ts'
import type { Subject } from './steps.ts'

/** Who is to be erased: a user by id, also one who is gone; or somebody who never was a user, by what requests have named. */
export type Erased =
  | { readonly user: string; readonly delete?: boolean | undefined }
  | { readonly names: readonly string[] }

/** The tenant in which it is done. */
export interface ErasureTenant {
  readonly scope: Extract<Scope, { kind: 'tenant' }>
  readonly tenant: TenantContext
  /** Its repositories in a transaction. */
  readonly within: (tx: Database) => Repositories
}

/** The person, and what is erased of the directory at once. */
interface Left extends Subject {
  readonly erased: ErasedRows
}

const NOTHING = { groups: false, members: false }

/**
 * Accepts an erasure. A user who is in the directory is deleted at once, with the event of that; all else is done behind the request.
 * Where the user is being erased already, that erasure is given.
 *
 * @param reference the number of the case, which is shown with the receipt
 * @throws {Refusal} 404 for the id of another resource; 409 where the user is in the directory and `delete` is not asked for, and where
 *   names are those of a user
 */
export function beginErasure(
  administration: Administration,
  { scope, tenant, within }: ErasureTenant,
  who: Erased,
  reference: string | null,
): Promise<ErasureRow> {
  const { actor, requestId } = administration.author
  const asked = { tenantId: tenant.id, actor, requestId: requestId ?? '' }
  return change(administration, async (tx, record) => {
    const type = builtIn(tenant.registry, 'User')
    const erasures = erasuresOf(tx, tenant.id)
    const underWay = 'user' in who ? await erasures.underWay(who.user.toLowerCase()) : undefined
    if (underWay !== undefined) return underWay
    const { person, wasThere, erased } =
      'user' in who
        ? await leave(tx, within(tx), type, who, asked)
        : await strangerOf(tx, within(tx), type, who, tenant)
    const now = new Date()
    const subject: Subject = { person: { ...person, until: now.getTime() }, wasThere }
    const row = {
      ...{ id: uuidv7(), userId: person.id, subject, place: 'writers', erased },
      ...{ actor, requestId: asked.requestId, reference, askedAt: now, dueAt: now },
    }
    await erasures.begin(row)
    record(erasureRecord(scope, row))
    return (await erasures.find(row.id)) as ErasureRow
  })
}

/** Deletes the user, where the directory or the kept users have the user, and gives by what the person is found. */
async function leave(
  tx: Database,
  inside: Repositories,
  type: ResourceType,
  { user, delete: deletes }: Extract<Erased, { user: string }>,
  asked: { readonly tenantId: TenantContext['id']; readonly actor: string; readonly requestId: string },
): Promise<Left> {
  const id = user.toLowerCase()
  const [other] = (await inside.resources.typesOf([id])).values()
  if (other !== undefined && other !== type.name) throw Refusal.notFound('user', id)
  const { isKept, ...texts } = await tracesOf(tx, asked.tenantId, id)
  let person = withTexts(someone(id, 0), texts)
  const row = await inside.resources.retrieve(type, id, NOTHING)
  if (row !== undefined) {
    if (!deletes)
      throw new Refusal(
        409,
        `The user "${id}" is in the directory. With "delete" the erasure deletes the user first, and the application is told. ` +
          'Take the person out at the identity provider before, since it may send the person again.',
        [{ path: 'delete', message: 'must be true for a user who is in the directory' }],
      )
    person = withAttributes(person, JSON.parse(row.document.toString()) as JsonObject)
    const removal = {
      type,
      targets: [{ id, expectedVersion: null }],
      eventNoun: eventNoun(type.name),
      keepDays: undefined,
    }
    await write(inside, async (each) => resultOf(await each.resources.remove(removal)))
    return { person, wasThere: true, erased: { resources: 1 } }
  }
  if (isKept) await forgetKeptUser(tx, asked, id)
  return { person, wasThere: isKept, erased: isKept ? { kept_users: 1 } : {} }
}

/** Somebody who is no user of the tenant. @throws {Refusal} 409 where a user has one of the names */
async function strangerOf(
  tx: Database,
  inside: Repositories,
  type: ResourceType,
  { names }: Exclude<Erased, { user: string }>,
  { id, registry }: TenantContext,
): Promise<Left> {
  for (const name of names)
    for (const attribute of ['userName', 'email', 'externalId'] as const) {
      const equal = { [attribute]: name }
      const [row] = await lookUp(inside, registry, type, { equal, limit: 1, wanted: NOTHING })
      if (row !== undefined) throw isUser(row.id, 'in the directory')
    }
  const kept = await keptUserNamed(tx, id, names.map(fold))
  if (kept !== undefined) throw isUser(kept, 'deleted and kept')
  const person = withTexts(someone(null, 0), { userNames: names, emails: names, externalIds: names })
  return { person, wasThere: true, erased: {} }
}

const isUser = (id: string, where: string): Refusal =>
  new Refusal(409, `This is the user "${id}", who is ${where}. Erase the user by this id, so that all is found.`)
