import { escaped } from '../chart.ts'
import type { Frame } from './profile.ts'

const WIDTH = 1_400
const ROW = 17
const TOP = 44
/** Pixels of a character, about. */
const LETTER = 6.4
/** Narrower frames are left out. */
const LEAST = 0.4

const COLOURS: readonly (readonly [owner: RegExp, colour: string, legend: string])[] = [
  [/^Rollcall$/, '#7fc8a0', 'Rollcall'],
  [/^(hono|@hono\/.*)$/, '#f2b36b', 'Hono'],
  [/^postgres$/, '#8fb4e8', 'postgres (driver)'],
  [/^(Node|native calls|garbage collector)$/, '#c9ced6', 'Node, V8, kernel'],
  [/./, '#d8b4e2', 'other packages'],
]
const colourOf = (owner: string) => COLOURS.find(([pattern]) => pattern.test(owner))?.[1] ?? '#ffffff'

/** A flame graph: a bar for each function as wide as its share of the time, those it called above it. */
export function flameSvg(root: Frame, title: string): string {
  const depth = depthOf(root)
  const height = TOP + depth * ROW + 12
  const bars: string[] = []
  const draw = (frame: Frame, x: number, level: number) => {
    const width = (frame.total / root.total) * WIDTH
    if (width < LEAST) return
    const y = height - 8 - (level + 1) * ROW
    const share = ((frame.total / root.total) * 100).toFixed(1)
    const own = ((frame.self / root.total) * 100).toFixed(1)
    const label = `${frame.name} ${frame.at}`.trim()
    const room = Math.floor((width - 6) / LETTER)
    const text =
      room < 3 ? '' : `<text x="${(x + 3).toFixed(1)}" y="${y + 12}">${escaped(shortened(label, room))}</text>`
    bars.push(`<g><title>${escaped(`${label}\n${share} % of the time, ${own} % itself\n${frame.owner}`)}</title>
<rect x="${x.toFixed(1)}" y="${y}" width="${Math.max(width - 0.4, 0.3).toFixed(1)}" height="${ROW - 1}" rx="1" fill="${colourOf(frame.owner)}"/>${text}</g>`)
    let at = x
    for (const child of frame.children) {
      draw(child, at, level + 1)
      at += (child.total / root.total) * WIDTH
    }
  }
  draw(root, 0, 0)
  const legend = COLOURS.map(
    ([, colour, what], i) =>
      `<rect x="${8 + i * 150}" y="26" width="11" height="11" fill="${colour}"/><text x="${23 + i * 150}" y="36">${what}</text>`,
  )
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" role="img"
  aria-label="${escaped(title)}">
<style>text{font:11px ui-monospace,monospace;fill:#1b1f24}g:hover rect{stroke:#1b1f24}</style>
<rect width="100%" height="100%" fill="#ffffff"/>
<text x="8" y="17" style="font-size:13px">${escaped(title)}</text>
${legend.join('\n')}
${bars.join('\n')}
</svg>
`
}

/** Levels that are wide enough to be seen. */
function depthOf(root: Frame): number {
  const visit = (frame: Frame): number =>
    (frame.total / root.total) * WIDTH < LEAST ? 0 : 1 + Math.max(0, ...frame.children.map(visit))
  return visit(root)
}

const shortened = (text: string, room: number) => (text.length <= room ? text : `${text.slice(0, room - 1)}…`)
