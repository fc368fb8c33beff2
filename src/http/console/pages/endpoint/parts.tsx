import type { PropsWithChildren } from 'hono/jsx'
import { DEAD_COUNTED } from '../../../../repositories/delivery/webhook-backlog.ts'
import type { EndpointRow } from '../../../../repositories/delivery/webhooks.ts'
import { Badge, Card, cut, Table } from '../../parts.tsx'

/** What is sent to: webhooks, and streams of Security Event Tokens. Each has its pages under this name. */
export type EndpointKind = 'webhooks' | 'streams'

/** The name of an endpoint: its address, or of a stream that is polled its audience. */
export const nameOf = ({ url, stream }: EndpointRow): string => url || (stream?.audience ?? '')

/**
 * Webhooks or streams of a place with their dead letters, one more than `limit` where there are more.
 *
 * @param path of the place
 */
export function EndpointsCard(
  props: PropsWithChildren<{
    kind: EndpointKind
    endpoints: readonly EndpointRow[]
    limit: number
    dead: ReadonlyMap<string, number>
    path: string
  }>,
) {
  const { kind, endpoints, limit, dead, path, children } = props
  const { page, last } = cut(endpoints, limit)
  const title = kind === 'webhooks' ? 'Webhooks' : 'Streams of Security Event Tokens'
  return (
    <Card title={title}>
      {page.length === 0 ? (
        <p class="quiet">There are none here.</p>
      ) : (
        <Table head={[kind === 'webhooks' ? 'Address' : 'Receiver', 'Events', 'State']} label={title}>
          {page.map((endpoint) => (
            <tr>
              <td class="long">
                <a href={`${path}/${kind}/${endpoint.id}`}>{nameOf(endpoint)}</a>
              </td>
              <td>{eventsOf(endpoint)}</td>
              <td>
                <Health endpoint={endpoint} dead={dead.get(endpoint.id) ?? 0} />
              </td>
            </tr>
          ))}
        </Table>
      )}
      {last && <p class="quiet small">The first {limit}; the admin API lists all of them.</p>}
      {children}
    </Card>
  )
}

/** Which events an endpoint gets, in words. */
export const eventsOf = ({ events }: EndpointRow): string => (events.length === 0 ? 'all' : events.join(', '))

/** Whether an endpoint gets what it should. */
export function Health({ endpoint, dead }: { endpoint: EndpointRow; dead: number }) {
  const { enabled, paused, failingSince, resumeAt, stream } = endpoint
  const failing = enabled && failingSince !== null
  return (
    <span class="badges">
      {!enabled && <Badge tone="bad">disabled</Badge>}
      {enabled && paused && <Badge tone="warn">paused</Badge>}
      {failing && <Badge tone="warn">{resumeAt === null ? 'failing' : 'resting'}</Badge>}
      {dead > 0 && <Badge tone="bad">{lettersOf(dead)}</Badge>}
      {enabled && !paused && !failing && dead === 0 && (
        <Badge tone="good">{stream?.method === 'poll' ? 'is polled' : 'gets through'}</Badge>
      )}
    </span>
  )
}

/** How many dead letters, in words. */
export function lettersOf(dead: number): string {
  if (dead === 1) return '1 dead letter'
  return dead >= DEAD_COUNTED ? `${DEAD_COUNTED} dead letters or more` : `${dead} dead letters`
}
