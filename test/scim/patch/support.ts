import { readFileSync } from 'node:fs'
import { deviationsOf } from '../../../src/scim/deviations/index.ts'
import type { Mode } from '../../../src/scim/deviations/mode.ts'
import { applyPatch } from '../../../src/scim/patch/apply.ts'
import { applyMembership, splitMembership } from '../../../src/scim/patch/members.ts'
import { parsePatch } from '../../../src/scim/patch/parse.ts'
import { isObject, type JsonObject, type JsonValue, type Resource } from '../../../src/scim/resource.ts'
import { defineSchema } from '../../../src/scim/schema/define.ts'
import { buildRegistry } from '../../../src/scim/schema/registry.ts'
import type { ResourceType } from '../../../src/scim/schema/resource-type.ts'
import { ENTERPRISE_USER_SCHEMA, GROUP_SCHEMA, PATCH_OP, USER_SCHEMA } from '../../../src/scim/urn.ts'

export interface Vector {
  readonly id: string
  readonly resourceType: 'User' | 'Group'
  readonly note?: string
  readonly mode?: Mode
  readonly before: JsonObject
  readonly request: JsonObject
  readonly expect: {
    readonly status: number | number[]
    readonly scimType?: string[]
    readonly after?: JsonObject
    readonly unchanged?: true
  }
}

const file: { readonly vectors: readonly Vector[]; readonly extensionSchemas: readonly JsonObject[] } = JSON.parse(
  readFileSync(new URL('../../fixtures/scim/patch-vectors.json', import.meta.url), 'utf8'),
)

export const vectors = file.vectors
export const ENTERPRISE = ENTERPRISE_USER_SCHEMA
export const BADGE = 'urn:example:scim:schemas:extension:badge:2.0:User'

const registry = buildRegistry({
  extensions: file.extensionSchemas.map((schema) => ({
    resourceType: 'User',
    schema: defineSchema(schema),
    required: false,
  })),
})

function typeNamed(name: string): ResourceType {
  const type = registry.byName.get(name)
  if (type === undefined) throw new Error(`no resource type ${name}`)
  return type
}

/** User with the enterprise and the badge extension. */
export const user = typeNamed('User')
export const group = typeNamed('Group')

export const message = (...operations: JsonValue[]): JsonObject => ({ schemas: [PATCH_OP], Operations: operations })

export const aUser = (attributes: JsonObject = {}): Resource => ({
  schemas: [USER_SCHEMA],
  id: 'u1',
  userName: 'ann',
  ...attributes,
})

/** What one PATCH makes of `stored`. */
export function patched(stored: Resource, operations: JsonValue[], mode: Mode = 'standard', type = user) {
  const deviations = deviationsOf(mode)
  return applyPatch(type, stored, parsePatch(message(...operations), deviations), deviations)
}

/** A PATCH of a group as the service does it: members apart from the rest. */
export function patchedGroup(stored: Resource, request: JsonValue, mode: Mode = 'standard') {
  const deviations = deviationsOf(mode)
  const { operations, membership } = splitMembership(group, parsePatch(request, deviations), deviations)
  const { members, ...attributes } = stored
  const before = new Map(
    (Array.isArray(members) ? members : []).flatMap((each) =>
      isObject(each) ? [[String(each.value), { type: String(each.type ?? '') }] as const] : [],
    ),
  )
  const { resource, changed } = applyPatch(group, attributes, operations, deviations)
  const after = applyMembership(membership, before)
  const sameMembers = before.size === after.size && [...before.keys()].every((id) => after.has(id))
  const list = Array.from(after.keys(), (value) => ({ value }))
  return {
    resource: list.length > 0 ? { ...resource, members: list } : resource,
    changed: changed || !sameMembers,
  }
}

/** What a refusal says, as `scimType: detail`; throws when nothing is refused, or not as a ScimError. */
export function refusal(work: () => unknown): string {
  try {
    work()
  } catch (error) {
    if (error instanceof Error && error.name === 'ScimError' && 'scimType' in error) {
      return `${error.scimType}: ${error.message}`
    }
    throw error
  }
  throw new Error('not refused')
}

export { ENTERPRISE_USER_SCHEMA, GROUP_SCHEMA, USER_SCHEMA }
