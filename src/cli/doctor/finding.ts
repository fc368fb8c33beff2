/** What one check found; `fix` says what to do about what is `wrong`. */
export interface Finding {
  readonly check:
    | ('config' | 'production' | 'address' | 'cookies' | 'first keys' | 'files' | 'sign-in')
    | ('database' | 'migrations' | 'sessions' | 'clock' | 'secrets key')
    | ('key age' | 'old secrets' | 'unused keys' | 'webhooks' | 'webhook keys')
    | ('reachability' | 'admin key')
  readonly state: 'ok' | 'wrong' | 'skipped'
  readonly found: string
  readonly fix?: string
}
