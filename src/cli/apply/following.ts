import type { AdminClient } from '../../client/index.ts'
import type { Step } from './differences.ts'

/** How a file is followed. */
export interface Following {
  readonly client: AdminClient
  /** Whether anything is changed, or only told. */
  readonly dry: boolean
  /** Whether webhooks, streams, schemas and domains beside those of the file are deleted. */
  readonly prune: boolean
  /** Told of each thing that differs, once it is done. */
  readonly told: (step: Step) => void
  /** Given the secret of each new webhook, which is shown this once. */
  readonly secret: (at: string, secret: string) => Promise<void>
}
