import { BACKGROUND } from '../db/caller.ts'
import type { Database } from '../db/database.ts'
import type { Networks } from '../network/delivery-address.ts'
import { Progress } from '../observability/progress.ts'
import type { Tracing } from '../observability/tracing/tracing.ts'
import { instanceSecret } from '../repositories/control/instance-secrets.ts'
import { signingKeyStore } from '../repositories/control/signing-keys.ts'
import { RequestWatch } from '../request-log/watch.ts'
import { Keyring, SIGNING_ALGORITHM, type SigningAlgorithm } from '../signing/keyring.ts'
import { type SecretBox, secretBox } from '../signing/secret-box.ts'
import { DeliveryWorker } from './delivery-worker.ts'
import type { SendingTools } from './event-sender.ts'
import { LogWatch } from './log-watch.ts'
import { MessageSender } from './message-sender.ts'
import { Polling } from './polling.ts'
import { SearchIndexUpkeep } from './search-index-upkeep.ts'
import { type HostBudget, HostBudgets } from './sending/host-budgets.ts'
import type { RetrySchedule } from './sending/retries.ts'
import { type SetSender, setSender } from './sending/set-sender.ts'
import { type WebhookSender, webhookSender } from './sending/webhook-sender.ts'
import { type StreamTokens, streamTokens } from './stream-tokens.ts'
import { TableGrowth } from './table-growth.ts'

/** What decides how events are delivered. */
export interface DeliverySettings {
  readonly secretsKey: string | undefined
  readonly deliveryNetworks: Networks
  readonly deliveriesPerHost: HostBudget
  readonly endpointsPerPlace: number
  readonly streamAlgorithm: SigningAlgorithm
  readonly retries?: RetrySchedule
  /** Traces the deliveries. Without it, nothing is traced. */
  readonly tracing?: Tracing | undefined
}

/** Told of what happens behind the requests. */
export interface DeliveryReports {
  failed(error: unknown, task: string): void
  /** The gateway disabled an endpoint because it accepts nothing any more. */
  disabled(endpointId: string, reason: string): void
  /** An attempt to deliver an event is over. */
  readonly sent?: SendingTools['sent']
  /** Events of some tenants got their positions. */
  readonly numbered?: () => void
}

/** What the surfaces need of the deliveries. */
export interface Deliveries {
  readonly watch: LogWatch
  readonly sender: WebhookSender
  readonly setSender: SetSender
  readonly tokens: StreamTokens
  /** What signs tokens, for what else is signed. */
  readonly signing: Keyring
  readonly polling: Polling
  /** Has what was stored for a stream go out at once: something about itself, or what waited for a new status. */
  streamChanged(streamId: string): void
  /** Wakes those who follow the provisioning log. */
  readonly requests: RequestWatch
  readonly box: SecretBox
  /** Networks that are not public, to which events may be sent. */
  readonly networks: Networks
  /** Webhooks and streams that an environment, or a tenant, may have of its own. */
  readonly endpointsPerPlace: number
  /** What signs the tokens of new streams, unless they say it themselves. */
  readonly streamAlgorithm: SigningAlgorithm
  /** How the work behind the requests gets on. */
  readonly workers: { readonly numbering: Progress; readonly sending: Progress }
}

/** The same, and the work that goes on behind the requests. */
export interface RunningDeliveries extends Deliveries {
  /** Begins to number and send. */
  start(): void
  /** Ends what only waits, and begins no more work. */
  drain(): void
  /** Ends everything once the work under way is settled; then the database may close. */
  stop(): Promise<void>
}

/** Makes what an instance does for readers and receivers of events. Other instances take over what it leaves. */
export function openDeliveries(db: Database, settings: DeliverySettings, reports: DeliveryReports): RunningDeliveries {
  const { secretsKey, deliveryNetworks: networks, deliveriesPerHost, retries, tracing } = settings
  const { endpointsPerPlace, streamAlgorithm } = settings
  const background = db.for(BACKGROUND)
  const report = (task: string) => (error: unknown) => reports.failed(error, task)
  const watch = new LogWatch(background, report('numbering events'))
  const box = secretBox(async () => secretsKey ?? instanceSecret(db, 'secrets'))
  const sender = webhookSender(networks)
  const requests = new RequestWatch(background, report('looking for logged requests'))
  const signing = new Keyring(signingKeyStore(db, SIGNING_ALGORITHM), box)
  const streams = {
    ...{ setSender: setSender(networks), polling: new Polling() },
    tokens: streamTokens({ ES256: signing, RS256: new Keyring(signingKeyStore(db, 'RS256'), box) }),
  }
  const hosts = new HostBudgets(deliveriesPerHost)
  // Whatever receivers answer: a slow one is no reason to send requests elsewhere.
  const sending = new Progress()
  const worker = new DeliveryWorker({
    looked: () => sending.made(),
    sent: reports.sent,
    ...{ db: background, box, sender, ...streams, disabled: reports.disabled, failed: report('sending webhooks') },
    hosts,
    tracing,
    ...(retries === undefined ? {} : { retries }),
  })
  const messages = new MessageSender({
    ...{ db: background, box, ...streams, hosts, failed: report('telling streams about themselves') },
    lively: () => worker.lively,
  })
  const growth = new TableGrowth(background, report('analyzing tables'))
  const searchIndex = new SearchIndexUpkeep(background, report('putting search index entries in place'))
  let stopped: Promise<void> | undefined
  return {
    ...{ watch, sender, ...streams, signing, requests, box, networks, endpointsPerPlace, streamAlgorithm },
    workers: { numbering: watch.progress, sending },
    streamChanged(streamId) {
      messages.kick()
      streams.polling.wake(streamId)
    },
    start() {
      const numbered = () => {
        worker.kick()
        growth.noticed()
        searchIndex.noticed()
        reports.numbered?.()
      }
      watch.start({ lively: () => worker.lively, numbered })
      sending.made()
      worker.kick()
      messages.kick()
    },
    drain() {
      watch.drain()
      requests.drain()
      streams.polling.drain()
      sending.over()
      // The worker closes what both send by.
      stopped ??= messages.stop().then(() => worker.stop())
    },
    async stop() {
      this.drain()
      await watch.stop()
      await requests.stop()
      await growth.stop()
      await searchIndex.stop()
      await stopped
    },
  }
}
