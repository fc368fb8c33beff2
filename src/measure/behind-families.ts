import type { HistoryNumbers } from '../history/history-worker.ts'
import type { Metrics } from '../observability/metrics.ts'
import type { RequestLogNumbers } from '../request-log/writer.ts'
import { labelled } from './labelled.ts'

/** What was done for the histories of tenants. */
export function historyFamily(metrics: Metrics, look: () => HistoryNumbers): void {
  metrics.family({
    look,
    measures: [
      {
        name: 'history_steps_total',
        help: 'Steps by which this instance has written the histories of tenants, by outcome.',
        labels: ['outcome'],
        type: 'counter',
        of: ({ steps, failures }) => labelled('outcome', { done: steps, failed: failures }),
      },
      {
        name: 'history_due',
        help: 'Tenants whose history had something to take when this instance last looked.',
        of: ({ due }) => due,
      },
    ],
  })
}

/** What became of requests on their way to the provisioning log. */
export function requestLogFamily(metrics: Metrics, look: () => RequestLogNumbers): void {
  metrics.family({
    look,
    measures: [
      {
        name: 'request_log_total',
        help: 'Requests that this instance has written to the provisioning log, and those that it has left out, by outcome.',
        labels: ['outcome'],
        type: 'counter',
        of: ({ written, dropped: { full, failed, guesses } }) =>
          labelled('outcome', { written, full, failed, guesses }),
      },
      {
        name: 'request_log_waiting',
        help: 'Requests that wait to be written to the provisioning log.',
        of: ({ waiting }) => waiting,
      },
    ],
  })
}
