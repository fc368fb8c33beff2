const TABS = [
  { name: 'Review', page: 'accounts' },
  { name: 'Drift', page: 'account-drift' },
  { name: 'Domains', page: 'domains' },
] as const

/** The way among the pages about accounts. @param path of the tenant */
export function AccountTabs({ path, current }: { path: string; current: (typeof TABS)[number]['page'] }) {
  return (
    <nav class="tabs" aria-label="Accounts">
      {TABS.map(({ name, page }) => (
        <a href={`${path}/${page}`} aria-current={page === current ? 'page' : undefined}>
          {name}
        </a>
      ))}
    </nav>
  )
}
