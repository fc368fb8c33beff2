import type { Reason } from '../scim/reasons.ts'
import { type Explanation, OPERATOR } from './explanation.ts'

const waits = ({ Name }: { readonly Name: string }) => `${Name} may send the request again: nothing has to be changed.`

/** Refusals for what a request asks at a time, and for faults on the side of the service. */
export const ABOUT_SERVICE = {
  'requests-too-fast': {
    problem: ({ Name }) => `${Name} sends more requests a second than the tenant allows (setting requestsPerSecond).`,
    remedy: ({ Name }) =>
      `${Name} slows down by itself and loses nothing. For a first sync, ask ${OPERATOR} to raise requestsPerSecond.`,
  },
  'requests-too-many': {
    problem: ({ Name }) => `${Name} has too many requests open at the same time.`,
    remedy: ({ Name }) => `${Name} may send the request again after a second. Let fewer jobs run side by side.`,
  },
  'instance-full': {
    problem: () => 'This service has as many requests open as it can hold.',
    remedy: ({ Name }) => `${Name} may send the request again. If that lasts, ask ${OPERATOR} for more instances.`,
  },
  'headers-too-large': {
    problem: ({ Name }) => `${Name} sent an address and headers that are longer than this service reads.`,
    remedy: () => 'Shorten the filter, or have the client send it by POST to .search.',
  },
  'body-too-large': {
    problem: ({ Name }) => `${Name} sent more data in one request than this service takes.`,
    remedy: () => `Send large groups in several changes. Or ask ${OPERATOR} to raise MAX_BODY_BYTES.`,
  },
  'bulk-too-large': {
    problem: ({ Name }) => `${Name} sent a bulk request with more operations than this service takes at a time.`,
    remedy: () => 'Let the client read bulk.maxOperations of ServiceProviderConfig, and send no more than that.',
  },
  'request-too-slow': {
    problem: ({ Name }) => `${Name} did not finish sending the request in time.`,
    remedy: () => `Send the request again. If that recurs, ask ${OPERATOR} to look at the proxy and the network.`,
  },
  'query-too-costly': {
    problem: ({ Name }) => `${Name} sent a filter that would cost this service too much work.`,
    remedy: () => 'Match by userName, externalId or e-mail with "eq", and use fewer terms.',
  },
  'query-too-slow': {
    problem: () => 'The query took longer than a read may take here.',
    remedy: () => 'Match by userName, externalId or e-mail with "eq", or ask for smaller pages.',
  },
  'patch-too-costly': {
    problem: ({ Name }) => `${Name} sent more changes in one PATCH than this service takes.`,
    remedy: () => 'Have the client send them in several requests of fewer changes.',
  },
  'database-away': { problem: () => 'This service cannot reach its database at the moment.', remedy: waits },
  'database-slow': { problem: () => 'The database of this service took too long to answer.', remedy: waits },
  'database-silent': {
    problem: () => 'The database fell silent, and this service cannot tell whether the change was made.',
    remedy: ({ Name, what }) => `${Name} may send the change again: this service makes no ${what} twice.`,
  },
  'database-takes-no-changes': {
    problem: () => 'The database of this service takes no changes at the moment.',
    remedy: () => `Ask ${OPERATOR} to look at the disk of the database and at its standby. ${RESENDS}`,
  },
  'connections-busy': { problem: () => 'All connections of this service to its database were in use.', remedy: waits },
  'changed-meanwhile': {
    problem: () => 'Other requests changed the same data at the same moment, and this one did nothing.',
    remedy: waits,
  },
  'heavy-work-waits': {
    problem: () => 'A large request of the same tenant was still running, and this one waited too long.',
    remedy: ({ Name }) => `${Name} may send the request again. Let large jobs run one after the other.`,
  },
  'keys-unconfirmed': {
    problem: () => 'This service could not confirm in time that the key is still good.',
    remedy: waits,
  },
  starting: { problem: () => 'This service is starting.', remedy: waits },
  'client-gone': {
    problem: ({ Name }) => `${Name} hung up before the answer was there.`,
    remedy: () => 'Raise the time that the client waits for an answer, if it has a setting for that.',
  },
  fault: {
    problem: () => 'This service failed to answer, through a fault of its own.',
    remedy: () => `Give ${OPERATOR} the request id, by which the log has the cause.`,
  },
} as const satisfies Partial<Record<Reason, Explanation>>

const RESENDS = 'Clients send refused changes again by themselves.'
