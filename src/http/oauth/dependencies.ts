import type { FailedAttempts } from '../../auth/attempts.ts'
import type { ExternalIssuers } from '../../auth/external-issuers.ts'
import type { ControlPlane } from '../../context/control-plane.ts'
import type { ProvisioningLog } from '../../request-log/exchange.ts'
import type { OriginPolicy } from '../../tenancy/base-url.ts'
import type { InFlight } from '../in-flight.ts'
import type { RequestLimits } from '../in-time.ts'

/** What the authorization server is made from. */
export interface OAuthDependencies {
  readonly control: ControlPlane
  /** Has the keys of issuers that API keys trust. */
  readonly issuers: ExternalIssuers
  readonly config: OriginPolicy & Pick<RequestLimits, 'requestTimeoutMs'>
  readonly failures: FailedAttempts
  /** Requests under way; those for tokens are counted once they prove who sends them. */
  readonly requests: InFlight
  /** Takes what was refused. Undefined where no provisioning log is kept. */
  readonly log?: ProvisioningLog | undefined
}
