import { parser } from '@prometheus-io/lezer-promql'

/** A metric as it is exported. */
export interface Exported {
  readonly type: string
  readonly help: string
  /** Names of its labels, but for `le`. */
  readonly labels: ReadonlySet<string>
  /** Values of each label that were seen. */
  readonly values: ReadonlyMap<string, ReadonlySet<string>>
}

/** The metrics in a text of Prometheus, by the names that queries use: a histogram has three. */
export function exportedIn(text: string): Map<string, Exported> {
  const found = new Map<string, { type: string; help: string; labels: Set<string>; values: Map<string, Set<string>> }>()
  let [help, type] = ['', '']
  for (const line of text.split('\n')) {
    const [, kind, , rest = ''] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? []
    if (kind === 'HELP') help = rest
    if (kind === 'TYPE') type = rest
    const [, name, labels = ''] = /^([a-z_]\w*)(?:\{(.*)\})? \S+$/i.exec(line) ?? []
    if (name === undefined) continue
    const one = found.get(name) ?? { type, help, labels: new Set(), values: new Map() }
    found.set(name, one)
    for (const [, label = '', value = ''] of labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)) {
      if (label !== 'le') one.labels.add(label)
      one.values.set(label, (one.values.get(label) ?? new Set()).add(value))
    }
  }
  return found
}

/** How many series a text of Prometheus has. */
export const seriesIn = (text: string): number =>
  text.split('\n').filter((line) => line !== '' && !line.startsWith('#')).length

/** What a query asks for. */
export interface Asked {
  readonly metrics: readonly {
    readonly name: string
    readonly matchers: readonly { readonly label: string; readonly operator: string; readonly value: string }[]
  }[]
  /** Labels by which it groups or joins. */
  readonly grouped: readonly string[]
}

/** @throws where the query cannot be parsed */
export function askedBy(query: string): Asked {
  const metrics: { name: string; matchers: { label: string; operator: string; value: string }[] }[] = []
  const grouped: string[] = []
  const text = ({ from, to }: { from: number; to: number }) => query.slice(from, to)
  parser.parse(query).iterate({
    enter(node) {
      if (node.type.isError) throw new Error(`cannot be parsed at ${node.from}: ${query}`)
      if (node.name === 'VectorSelector') {
        const name = node.node.getChild('Identifier')
        metrics.push({ name: name === null ? '' : text(name), matchers: [] })
      } else if (node.name === 'UnquotedLabelMatcher') {
        const [label, operator, value] = ['LabelName', 'MatchOp', 'StringLiteral'].map((kind) => {
          const child = node.node.getChild(kind)
          return child === null ? '' : text(child)
        })
        metrics
          .at(-1)
          ?.matchers.push({ label: label ?? '', operator: operator ?? '', value: (value ?? '').slice(1, -1) })
      } else if (node.name === 'GroupingLabels') {
        grouped.push(...node.node.getChildren('LabelName').map(text))
      }
    },
  })
  return { metrics, grouped }
}

/** Labels that Prometheus itself adds, and the metric that it makes. */
const OF_PROMETHEUS: readonly string[] = ['instance', 'job', 'le']
const UP: Exported = { type: 'gauge', help: '', labels: new Set(), values: new Map() }

/**
 * What is wrong with a query: metrics and labels that are not exported, and values of labels that no series has.
 *
 * @param named labels that a text beside the query names
 * @param known values of labels that there are, beside those that were exported
 */
export function faultsOf(
  query: string,
  exported: ReadonlyMap<string, Exported>,
  named: readonly string[] = [],
  known: Readonly<Record<string, readonly string[]>> = {},
): string[] {
  const { metrics, grouped } = askedBy(query)
  const faults: string[] = []
  const labels = new Set(OF_PROMETHEUS)
  for (const { name, matchers } of metrics) {
    const metric = name === 'up' ? UP : exported.get(name)
    if (metric === undefined) {
      faults.push(`${name} is not exported`)
      continue
    }
    for (const label of metric.labels) labels.add(label)
    for (const { label, operator, value } of matchers) {
      if (OF_PROMETHEUS.includes(label)) continue
      if (!metric.labels.has(label)) faults.push(`${name} has no label ${label}`)
      const values = [...(known[label] ?? []), ...(metric.values.get(label) ?? [])]
      const pattern = operator.endsWith('~') ? value.split('|') : [value.replaceAll(/[.*+?^${}()[\]\\]/g, '\\$&')]
      for (const one of pattern)
        if (!operator.startsWith('!') && !values.some((each) => new RegExp(`^(?:${one})$`).test(each)))
          faults.push(`${name} has no series with ${label}="${one}"`)
    }
  }
  for (const label of [...grouped, ...named])
    if (!labels.has(label)) faults.push(`no metric of the query has the label ${label}: ${query}`)
  return faults
}
