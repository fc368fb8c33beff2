import type { JsonObject } from '../scim/resource.ts'
import type { Conversation, Step } from '../self-test/conversation.ts'

/** Whether an identity provider sends all members of a group at a time, in place of those who come and go. */
export const takesWholeLists = ({ steps }: Conversation): boolean =>
  steps.some((step) => step.does === 'add-member' && operationsOf(step).some(isWholeList))

/** The body of a step that names all members of its group, with these in the form that the identity provider gives to one. */
export function memberOperations(step: Step, ids: readonly string[]): JsonObject {
  const Operations = operationsOf(step).map((operation) => {
    if (!isWholeList(operation)) return operation
    const [form = {}] = operation.value as JsonObject[]
    return { ...operation, value: ids.map((value) => ({ ...form, value })) }
  })
  return { ...step.body, Operations }
}

/** The groups of a user, as SCIM shows them. */
export function groupsOf(user: JsonObject): readonly { readonly id: string; readonly displayName: string }[] {
  const groups = Array.isArray(user.groups) ? (user.groups as JsonObject[]) : []
  return groups
    .filter(({ type }) => type !== 'indirect')
    .map(({ value, display }) => ({ id: String(value), displayName: String(display) }))
}

/** The id of the first group of a list; undefined where it is empty. */
export const idOfGroup = ([group]: readonly JsonObject[]): string | undefined =>
  group === undefined ? undefined : String(group.id)

/** The group that a conversation is about. */
export const groupIdIn = (known: ReadonlyMap<string, string>): string => known.get('group') ?? ''

const operationsOf = ({ body }: Step): readonly JsonObject[] =>
  Array.isArray(body?.Operations) ? (body.Operations as JsonObject[]) : []

const isWholeList = ({ op, path, value }: JsonObject): boolean =>
  String(op).toLowerCase() === 'replace' && path === 'members' && Array.isArray(value)
