import { table } from '../markdown.ts'
import { atLeast, atMost, type Verdict } from '../verdict.ts'
import type { WebhooksResult } from './measure.ts'

/** Creates per second with so many webhooks to those without, at the least. */
const WRITES: Readonly<Record<number, number>> = { 1: 0.9, 10: 0.8 }

/** What is promised of webhooks: that they cost a write little, and that a leaver is felt well within a second. */
export const webhookVerdicts = ({ writes, deactivations: { p50, p99 } }: WebhooksResult): Verdict[] => [
  ...writes.flatMap(({ endpoints, ratio }) => {
    const least = WRITES[endpoints]
    const what = `Creates with ${endpoints} ${endpoints === 1 ? 'webhook' : 'webhooks'} ÷ without`
    return least === undefined ? [] : [atLeast(what, ratio, least)]
  }),
  atMost('From deactivation to delivery under load, p50', p50 / 1_000, 0.5, 's'),
  atMost('From deactivation to delivery under load, p99', p99 / 1_000, 1, 's'),
]

/** The part of the report about webhooks; empty where they were not measured. */
export function webhooksSection(result: WebhooksResult | undefined): string {
  if (result === undefined) return ''
  const { writes, drains, deactivations: found } = result
  const perSecond = (n: number) => n.toFixed(0)
  return `## Webhooks

Creates of users, 16 connections, while a receiver on the same machine gets every event so many times; generator,
gateway, PostgreSQL and receiver share it. Messages are those that the receiver took meanwhile.

${table(
  ['Webhooks', 'Creates /s', '÷ those without', 'p50 / p99 ms', 'Messages /s'],
  writes.map((one) => [
    ...[String(one.endpoints), perSecond(one.perSecond), one.ratio.toFixed(2)],
    ...[`${one.p50.toFixed(2)} / ${one.p99.toFixed(2)}`, perSecond(one.messagesPerSecond)],
  ]),
)}

A backlog, from the replay of past events to the last message:

${table(
  ['Webhooks', 'Messages', 'Messages /s'],
  drains.map(({ endpoints, messages, perSecond: drained }) => [
    ...[String(endpoints), messages.toLocaleString('en'), perSecond(drained)],
  ]),
)}

From the sending of a PATCH that deactivates to its event at the receiver, ${found.deactivations} times: p50 ${found.p50.toFixed(0)} ms,
p99 ${found.p99.toFixed(0)} ms, longest ${found.longest.toFixed(0)} ms. In the same second ${perSecond(found.deactivationsPerSecond)} were deactivated, ${perSecond(found.createsPerSecond)} created, and ${perSecond(found.lookUpsPerSecond)} looked
up, which is as many as the machine could do beside that.

`
}
