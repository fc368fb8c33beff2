import type { OpenAPIHono } from '@hono/zod-openapi'
import type { Administration } from '../../administration/control.ts'
import type { WebhookAdministration } from '../../administration/webhooks.ts'
import type { OriginPolicy } from '../../context/base-url.ts'
import type { ControlPlane } from '../../context/control-cache.ts'
import type { Permission, Principal } from '../../context/principal.ts'
import type { Database } from '../../db/database.ts'
import type { LogWatch } from '../../delivery/log-watch.ts'
import type { WebhookSender } from '../../delivery/webhook-sender.ts'

/** What the admin API is made from. */
export interface AdminDependencies {
  readonly database: Database
  readonly config: OriginPolicy
  readonly control: ControlPlane
  readonly watch: LogWatch
  readonly webhooks: WebhookAdministration
  readonly sender: WebhookSender
}

/** What requests to the admin API carry; `requestId` is set by the application around it. */
export interface AdminEnv {
  Variables: {
    requestId?: string
    principal: Principal
    /** What the key has to have; `admin` where nothing is set. */
    permission?: Permission
  }
}

export type AdminApp = OpenAPIHono<AdminEnv>

/** What the routes work with. */
export interface AdminServices {
  readonly administration: Administration
  readonly database: Database
  readonly config: OriginPolicy
  readonly control: ControlPlane
  readonly watch: LogWatch
  readonly webhooks: WebhookAdministration
  readonly sender: WebhookSender
}
