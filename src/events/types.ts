import { eventNoun } from './changes.ts'

/** Every type of event there is, with what its `changes` hold. Resources of registered types have the first three too. */
const EVENT_TYPES: Readonly<Record<string, string>> = {
  'user.created': '`after`: the attributes',
  'user.updated': '`changed`: paths with `before` and `after`; of secrets the path alone',
  'user.deleted': '`before`: the attributes; or `keptUntil`, of one who was kept until then',
  'user.activated': '`changed`: `active`',
  'user.deactivated': '`changed`: `active`; and `keptUntil`, where a deleted user is kept',
  'group.created': '`after`: the attributes, without members',
  'group.updated': '`changed`',
  'group.deleted': '`before`, and `memberCount`: how many were in it',
  'group.member_added': '`members`: up to 1000 ids; more are more events of the same version',
  'group.member_removed': '`members`',
  'role.assigned': '`role`: its key, and `users`: up to 1000 ids of who got it',
  'role.unassigned': 'the same, of who lost it',
  'tenant.created': '`after`: key, name, settings; whether it is paused',
  'tenant.updated': '`changed`: `name`, `settings.…`',
  'tenant.paused': '`changed`: `paused`',
  'tenant.resumed': '`changed`: `paused`',
  'tenant.seats_exhausted': '`maxActiveUsers`; once until somebody has got a seat again',
  'api_key.created': '`key`: id and name; `after`',
  'api_key.rotated':
    '`key`, `changed`; as do `changed`, `rotation_ended`, `rotation_undone`, `public_key_added` and `public_key_removed`',
  'api_key.revoked': '`key`, `changed`',
  'brake.warned': '`leavers`, `users`, `limit`, `windowMinutes`',
  'brake.engaged': 'the same, and `heldUntil`',
  'brake.released': '`reason`: `approved`, `time_limit` or `switched_off`; `events`: how many were held; `note`',
}

/** Events by which people leave the tenant, or lose what they had. The leaver brake counts and holds them. */
export const LEAVER_TYPES: readonly string[] = [
  'user.deactivated',
  'user.deleted',
  'group.deleted',
  'group.member_removed',
  'role.unassigned',
]

/** The types of events as a list in Markdown, for documents. */
export const EVENT_TYPE_LIST = Object.entries(EVENT_TYPES)
  .map(([type, changes]) => `- \`${type}\` — ${changes}`)
  .join('\n')

/** What the log has events of beside resources. */
const BESIDE: ReadonlySet<string> = new Set(
  Object.keys(EVENT_TYPES)
    .map((type) => nounOf(type))
    .filter((noun) => noun !== 'user' && noun !== 'group'),
)

/** False for events about the tenant itself, its keys, its roles and its leaver brake. */
export const isOfResource = (type: string): boolean => !BESIDE.has(nounOf(type))

/** Whether events of a resource type of this name, in any letter case, could not be told from those that are of no resource. */
export const isNounTaken = (resourceType: string): boolean => BESIDE.has(eventNoun(resourceType).toLowerCase())

function nounOf(type: string): string {
  return type.slice(0, type.indexOf('.'))
}
