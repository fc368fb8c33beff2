import type { SideResult } from './measure.ts'

/** A table of Markdown. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}

/** What one side did: requests per second, times, CPU, memory. */
export const sideCells = (side: SideResult): readonly [string, string, string, string] => [
  side.perSecond < 100 ? side.perSecond.toFixed(1) : side.perSecond.toFixed(0),
  `${side.p50.toFixed(2)} / ${side.p99.toFixed(2)}`,
  `${side.serverCpuUs.toFixed(0)} + ${side.postgresCpuUs.toFixed(0)}`,
  side.rssMb.toFixed(0),
]
