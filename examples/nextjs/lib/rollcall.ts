import { adminClient } from 'rollcall/client'
import type { Directory } from '../../sign-in/check.ts'

/** The place of this application on the gateway. */
export const place = () => ({
  project: process.env.ROLLCALL_PROJECT ?? 'default',
  environment: process.env.ROLLCALL_ENVIRONMENT ?? 'dev',
})

const origin = () => process.env.ROLLCALL_URL ?? 'http://localhost:8080'

/** The admin API, for on-boarding. */
export const admin = () => adminClient({ origin: origin(), key: process.env.ROLLCALL_ADMIN_KEY ?? '' })

/** The directory of a customer, for sign-in checks. */
export const directoryOf = (tenant: string): Directory => ({
  ...{ origin: origin(), key: process.env.ROLLCALL_APP_KEY ?? '' },
  ...{ ...place(), tenant },
})
