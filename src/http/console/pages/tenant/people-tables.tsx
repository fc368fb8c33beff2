import type { DeletedPerson } from '../../../../repositories/log/deleted-people.ts'
import type { Resource } from '../../../../scim/resource.ts'
import { Actor, Badge, Moment, Table } from '../../parts.tsx'

/** Tables of people and groups; `path` is that of the tenant. */

export function Deleted(props: {
  people: readonly DeletedPerson[]
  actors: ReadonlyMap<string, string>
  path: string
  /** Whether each has a way to be erased. */
  erases: boolean
}) {
  const { people, actors, path, erases } = props
  return (
    <Table
      head={['User name', 'Name', 'externalId', 'Deleted', 'By', 'Kept until', ...(erases ? ['Erase'] : [])]}
      label="Deleted users"
    >
      {people.map(({ id, userName, displayName, externalId, deletedAt, actor, keptUntil }) => (
        <tr>
          <td class="long">
            <a href={`${path}/events?person=${id}`}>{userName || id}</a>
          </td>
          <td>{displayName ?? ''}</td>
          <td>{externalId ?? ''}</td>
          <td>
            <Moment at={deletedAt} never="" />
          </td>
          <td>{actor !== null && <Actor id={actor} names={actors} />}</td>
          <td>
            <Moment at={keptUntil} never="" />
          </td>
          {erases && (
            <td>
              <a href={`${path}/erasures?user=${id}`} aria-label={`Erase ${userName || id}`}>
                Erase …
              </a>
            </td>
          )}
        </tr>
      ))}
    </Table>
  )
}

export function Users({ resources, path }: { resources: readonly Resource[]; path: string }) {
  return (
    <Table head={['User name', 'Name', 'externalId', 'State', 'Changed']} label="Users">
      {resources.map((user) => (
        <tr>
          <td class="long">
            <a href={`${path}/users/${user.id}`}>{text(user.userName)}</a>
          </td>
          <td>{text(user.displayName)}</td>
          <td>{text(user.externalId)}</td>
          <td>{user.active === false ? <Badge tone="bad">deactivated</Badge> : <Badge tone="good">active</Badge>}</td>
          <td>
            <Changed resource={user} />
          </td>
        </tr>
      ))}
    </Table>
  )
}

export function Groups({ resources, path }: { resources: readonly Resource[]; path: string }) {
  return (
    <Table head={['Name', 'externalId', 'Changed']} label="Groups">
      {resources.map((group) => (
        <tr>
          <td class="long">
            <a href={`${path}/groups/${group.id}`}>{text(group.displayName)}</a>
          </td>
          <td>{text(group.externalId)}</td>
          <td>
            <Changed resource={group} />
          </td>
        </tr>
      ))}
    </Table>
  )
}

const Changed = ({ resource }: { resource: Resource }) => <Moment at={text((resource.meta as Resource).lastModified)} />

const text = (value: unknown): string => (typeof value === 'string' ? value : '')
