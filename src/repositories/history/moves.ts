import { ERASED_CHANGES, type LoggedEvent, REPAIR } from '../../events/event.ts'
import { isOurId } from '../sql/ids.ts'

/** What the numbers of a history stand for. */
export type SubjectKind = 'User' | 'Group' | 'Agent' | 'Role'

/** What an event changes in a history. */
export type Move =
  /** A resource is there, under this name, or active or not; what is undefined stays. */
  | {
      readonly kind: 'state'
      readonly ref: string
      readonly of: SubjectKind
      readonly name?: string | undefined
      readonly active?: boolean | undefined
      readonly created: boolean
    }
  /** A resource is gone. */
  | { readonly kind: 'gone'; readonly ref: string; readonly of: SubjectKind }
  /** Some got a group or a role, or lost it. */
  | {
      readonly kind: 'grants'
      readonly ref: string
      readonly of: 'Group' | 'Role'
      /** Key of a role. */
      readonly name?: string | undefined
      readonly subjects: readonly string[]
      readonly given: boolean
    }

/** Types of events that a history has something of. */
export const TYPES_IN_HISTORY: readonly string[] = [
  ...['user.created', 'user.updated', 'user.activated', 'user.deactivated', 'user.deleted'],
  ...['agent.created', 'agent.updated', 'agent.activated', 'agent.deactivated', 'agent.deleted'],
  ...['group.created', 'group.updated', 'group.deleted', 'group.member_added', 'group.member_removed'],
  ...['role.assigned', 'role.unassigned'],
]

const KINDS = { user: 'User', agent: 'Agent', group: 'Group' } as const
/** The attribute by which people know a resource. */
export const NAME_OF = { User: 'userName', Agent: 'agentUserName', Group: 'displayName' } as const

/** What an event changes; undefined for one that a history has nothing of. */
export function moveOf({ type, resourceId: ref, changes }: LoggedEvent): Move | undefined {
  // What tells of the same again changes nothing.
  if (changes.startsWith(REPAIR)) return undefined
  // What is told of an erased person names nobody whom the history knows.
  if (changes === ERASED_CHANGES) return undefined
  const [noun, verb] = type.split('.')
  const said = JSON.parse(changes) as {
    after?: Record<string, unknown>
    changed?: readonly { path: string; after?: unknown }[]
    members?: readonly string[]
    role?: string
    users?: readonly string[]
  }
  if (noun === 'role') {
    const subjects = (said.users ?? []).filter(isOurId)
    return { kind: 'grants', ref, of: 'Role', name: said.role, subjects, given: verb === 'assigned' }
  }
  if (noun !== 'user' && noun !== 'agent' && noun !== 'group') return undefined
  const of = KINDS[noun]
  switch (verb) {
    case 'created': {
      const { after = {} } = said
      const active = of === 'Group' ? undefined : after.active !== false
      return { kind: 'state', ref, of, name: textOf(after[NAME_OF[of]]), active, created: true }
    }
    case 'deleted':
      return { kind: 'gone', ref, of }
    case 'activated':
    case 'deactivated':
      return { kind: 'state', ref, of, active: verb === 'activated', created: false }
    case 'updated': {
      const name = said.changed?.find(({ path }) => path === NAME_OF[of])
      return name && { kind: 'state', ref, of, name: textOf(name.after), created: false }
    }
    case 'member_added':
    case 'member_removed': {
      const subjects = (said.members ?? []).filter(isOurId)
      return { kind: 'grants', ref, of: 'Group', subjects, given: verb === 'member_added' }
    }
    default:
      return undefined
  }
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '')
