import { LRUCache } from 'lru-cache'
import type { IssuerTrust } from '../../auth/issuer-trust.ts'
import { idsOf, PERMISSIONS, scopeOf } from '../../auth/principal.ts'
import type { StoredKey } from '../../auth/stored-key.ts'
import type { Answer, ControlStore, KnownProject, Looked } from '../../context/control-store.ts'
import type { Database } from '../../db/database.ts'
import { eventUris, type SetFormat } from '../../events/security-events.ts'
import type { EnvironmentId, ProjectId, TenantId } from '../../place-ids.ts'
import type { CatalogueKind } from '../../scim/schema/catalogue-types.ts'
import { NO_DEFINITIONS } from '../../scim/schema/definitions.ts'
import { algorithmOf, type ClientKey } from '../../signing/client-key.ts'
import { isUuid } from '../../tenancy/scim-path.ts'
import { parseStoredSettings } from '../../tenancy/settings.ts'
import { ANSWER, type AnswerRow, MOST_CHANGES } from './control-answer-sql.ts'
import { readDefinitions } from './schema-definitions.ts'

/** Characters of settings, and of definitions, that are kept for other places with the same. */
const MAX_SHARED = 4 * 1024 * 1024
/** What is made of a text takes more memory than the text: of a row or of settings, and of the definitions of schemas. */
const [ROW_GROWS, DEFINITIONS_GROW] = [4, 8]
const NO_SETTINGS = '{}'

interface KeyJson {
  readonly projectId: ProjectId | null
  readonly environmentId: EnvironmentId | null
  readonly tenantId: TenantId | null
  readonly userId: string | null
  readonly permissions: readonly string[]
  readonly tokensMayMintAdminKeys: boolean
  readonly revoked: boolean
  readonly secrets: readonly {
    readonly version: number
    readonly hash: string
    readonly expiresAt: number | null
    readonly endsAt: number | null
    readonly endsOnUse: boolean
  }[]
  readonly publicKeys: readonly Pick<ClientKey, 'thumbprint' | 'jwk'>[] | null
  readonly trusts: readonly IssuerTrust[] | null
}

/** An environment or a tenant. */
interface PlaceJson<Id> {
  readonly id: Id
  readonly key: string
  readonly paused: boolean
  readonly formats: readonly SetFormat[] | null
  readonly kinds: readonly CatalogueKind[] | null
  /** Of a tenant. */
  readonly hasAccounts?: boolean
  readonly domains?: readonly string[] | null
}

/** Answers questions about the control plane, each in one statement. */
export function controlAnswers(database: Database): ControlStore['ask'] {
  const settingsIn = sharedByText((text) => Object.freeze(parseStoredSettings(JSON.parse(text))), ROW_GROWS)
  const definitionsIn = sharedByText(readDefinitions, DEFINITIONS_GROW)

  /** An environment, or a tenant. */
  function lookedAt<Id>(text: string | null, settingsText: string | null, definitionsText: string | null) {
    const settings = settingsIn(settingsText ?? NO_SETTINGS)
    const definitions = definitionsText === null ? { value: NO_DEFINITIONS, bytes: 0 } : definitionsIn(definitionsText)
    const read = (text: string) => {
      const { formats, kinds, domains, ...place } = JSON.parse(text) as PlaceJson<Id>
      const uris = [...new Set((formats ?? []).flatMap(eventUris))]
      return {
        ...place,
        settings: settings.value,
        definitions: definitions.value,
        eventUris: uris,
        kinds: kinds ?? undefined,
        domains: domains ?? [],
      }
    }
    return looked(text, read, settings.bytes + definitions.bytes)
  }

  return async ({ since, key, place, reach, knownEnvironment }): Promise<Answer> => {
    const { projectId = null, environmentId = null } = reach ? idsOf(reach) : {}
    const asked = [key?.id ?? null, key?.credential ?? null, Date.now(), projectId, environmentId]
    const names = [place?.project, place?.environment, place?.tenant].flatMap(idOrKey)
    const values = [since ?? null, ...asked, ...names, knownEnvironment ?? null]
    const [row] = await database.run<AnswerRow>(ANSWER, values, { name: 'control-answer' })
    if (row === undefined) throw new Error('the control plane did not answer')
    const parts = place === undefined ? 0 : row.looked
    return {
      last: row.last,
      changed: since === undefined ? undefined : changesIn(row.changed),
      key: key && looked(row.key, (text) => storedKey(key.id, JSON.parse(text) as KeyJson)),
      project: parts > 0 ? looked(row.project, (text) => JSON.parse(text) as KnownProject) : undefined,
      environment: row.as_known
        ? 'as known'
        : parts > 1
          ? lookedAt<EnvironmentId>(row.environment, row.environment_settings, row.environment_definitions)
          : undefined,
      tenant: parts > 2 ? lookedAt<TenantId>(row.tenant, row.tenant_settings, row.tenant_definitions) : undefined,
    }
  }
}

/** Makes one value of equal texts, so that places that are alike share it in memory. The first to ask is charged with its bytes. */
function sharedByText<T extends object>(
  make: (text: string) => T,
  grows: number,
): (text: string) => { value: T; bytes: number } {
  const made = new LRUCache<string, T>({ maxSize: MAX_SHARED, sizeCalculation: (_, text) => text.length })
  return (text) => {
    const known = made.get(text)
    if (known !== undefined) return { value: known, bytes: 0 }
    const value = make(text)
    made.set(text, value)
    return { value, bytes: grows * text.length }
  }
}

const looked = <T>(text: string | null, read: (text: string) => T, bytes = 0): Looked<T> =>
  text === null ? { value: undefined, bytes: 0 } : { value: read(text), bytes: ROW_GROWS * text.length + bytes }

/** A name is an id or a key; one of the two is null. */
const idOrKey = (name: string | undefined): [string | null, string | null] =>
  name !== undefined && isUuid(name) ? [name, null] : [null, name ?? null]

/** Undefined for more than are told, and for one that is of no place: then anything may have changed. */
function changesIn(text: string | null): string[] | undefined {
  const changed = text === null ? [] : (JSON.parse(text) as (string | null)[])
  const ids = changed.filter((id) => id !== null)
  return ids.length < changed.length || changed.length > MOST_CHANGES ? undefined : ids
}

function storedKey(keyId: string, row: KeyJson): StoredKey {
  const key = {
    ...{ keyId, scope: scopeOf(row), userId: row.userId ?? undefined },
    permissions: new Set(PERMISSIONS.filter((permission) => row.permissions.includes(permission))),
    ...{ via: 'key' as const, tokensMayMintAdminKeys: row.tokensMayMintAdminKeys },
  }
  // A key always has a secret: the last one is made before the one before it goes.
  const newest = { ...key, expiresAt: row.secrets.at(-1)?.expiresAt ?? undefined }
  return {
    revoked: row.revoked,
    secrets: row.secrets.map(({ version, hash, expiresAt, endsAt }) => ({
      principal: { ...key, expiresAt: expiresAt ?? undefined },
      ...{ version, hash, endsAt: endsAt ?? undefined },
      endsOthers: row.secrets.some((other) => other.endsOnUse && other.version < version),
    })),
    publicKeys: (row.publicKeys ?? []).map(({ thumbprint, jwk }) => ({
      principal: newest,
      ...{ thumbprint, jwk, algorithm: algorithmOf(jwk) },
    })),
    trusts: (row.trusts ?? []).map((trust) => ({ ...trust, principal: newest })),
  }
}
