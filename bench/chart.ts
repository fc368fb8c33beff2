import type { CaseResult } from './measure.ts'
import { ratioTarget } from './targets.ts'

const ROW = 18
const LEFT = 330
const WIDTH = 900
const TOP = 48
const MOST = 1.2

/** An SVG chart: a bar for the ratio of each case, a tick where its target is, and a line at the ceiling. */
export function ratioChart(results: readonly CaseResult[]): string {
  const height = TOP + results.length * ROW + 16
  const x = (ratio: number) => LEFT + (Math.min(ratio, MOST) / MOST) * (WIDTH - LEFT - 60)
  const rows = results.map((result, i) => {
    const y = TOP + i * ROW
    const target = ratioTarget(result)
    const colour = target === undefined ? '#8a94a6' : result.ratio >= target ? '#2f8f5b' : '#c8553d'
    const tick =
      target === undefined ? '' : `<path d="M${x(target)} ${y}v${ROW - 4}" stroke="#1b1f24" stroke-width="2"/>`
    return `<text x="${LEFT - 8}" y="${y + 11}" text-anchor="end">${escaped(`${result.workload} ${result.name}`)}</text>
<rect x="${LEFT}" y="${y + 1}" width="${x(result.ratio) - LEFT}" height="${ROW - 6}" fill="${colour}"/>${tick}
<text x="${x(result.ratio) + 6}" y="${y + 11}">${result.ratio.toFixed(2)}</text>`
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" role="img"
  aria-label="Requests per second of the gateway divided by those of the ceiling, for each workload">
<style>text{font:12px system-ui,sans-serif;fill:#1b1f24}</style>
<rect width="100%" height="100%" fill="#ffffff"/>
<text x="${LEFT}" y="18">Requests per second, gateway ÷ ceiling (median of rounds); tick: target</text>
<path d="M${x(1)} ${TOP - 14}V${height - 8}" stroke="#8a94a6" stroke-dasharray="3 3"/><text x="${x(1)}" y="${TOP - 18}" text-anchor="middle">1.00</text>
${rows.join('\n')}
</svg>
`
}

/** Text for SVG, between tags or in double quotes. */
export const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
