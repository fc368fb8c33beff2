import { expect, test } from 'vitest'
import type { Scope } from '../../src/auth/principal.ts'
import type { Database } from '../../src/db/database.ts'
import type { EnvironmentId, TenantId } from '../../src/place-ids.ts'
import { replayEvents } from '../../src/repositories/delivery/webhook-backlog.ts'
import { webhookQueueOf } from '../../src/repositories/delivery/webhook-queue.ts'
import { webhooksOf } from '../../src/repositories/delivery/webhooks.ts'
import { eventLogOf } from '../../src/repositories/log/event-log.ts'
import { forTenant } from '../../src/repositories/tenant-scope.ts'
import { placeId } from '../support/place-ids.ts'

// The type checker is what tests here: a line below an expectation of an error that has none fails the check.

/** What somebody has written into a body. */
const text: string = '0198c0de-0000-7000-8000-000000000000'
const database = { asTenant: () => database } as unknown as Database
const rest = { baseUrl: '', requestId: '', actor: '', defersReferences: false, hasRoles: false }

test('TEN-01 a text does not compile as the id of a place', () => {
  const tenantId: TenantId = placeId(text)
  const environmentId: EnvironmentId = placeId(text)

  // @ts-expect-error a text
  forTenant(database, { ...rest, tenantId: text })
  // @ts-expect-error an id of another kind
  forTenant(database, { ...rest, tenantId: environmentId })
  // @ts-expect-error a text opens no log
  eventLogOf(database, text)
  // @ts-expect-error a text opens no queue
  webhookQueueOf(database, text, text)
  // @ts-expect-error a text is no environment
  webhooksOf(database, { environmentId: text })
  // @ts-expect-error a text is no tenant of it
  webhooksOf(database, { environmentId, tenantId: text })
  // @ts-expect-error a text names no tenant to replay
  const replay = () => replayEvents(database, { tenantId: text, endpointId: '' }, { kind: 'dead' }, 0, 1)
  // @ts-expect-error a text makes no scope
  const scope: Scope = { kind: 'project', projectId: text }

  expect([forTenant(database, { ...rest, tenantId }), replay, scope]).toHaveLength(3)
})
