import { STYLE } from '../console/style.ts'
import { accentsOf } from './colours.ts'

/** What the portal has beside the style sheet of the console. */
const OWN = `
.steps { display: grid; gap: 1.1rem; grid-template-columns: minmax(0, 1fr) minmax(17rem, 22rem); align-items: start }
.steps > .beside { position: sticky; top: 1rem; display: grid; gap: 1.1rem; grid-template-columns: minmax(0, 1fr) }
.guide { display: grid; gap: .8rem; grid-template-columns: minmax(0, 1fr) } .guide h2 { margin: 1rem 0 0 } .guide h3 { margin: .5rem 0 0 }
.guide ol, .guide ul { padding-left: 1.4rem; display: grid; gap: .45rem } .guide pre { margin: 0; background: var(--code); border-radius: 6px; padding: .6rem .8rem; overflow-x: auto }
.guide pre code { padding: 0; white-space: pre-wrap } .guide .scroll { margin: 0; padding: 0 }
.value { display: inline-flex; flex-wrap: wrap; gap: .3rem; align-items: center } .value code { user-select: all; border: 1px solid var(--line) }
.values { display: grid; gap: .8rem } .values dt { font-size: .82rem; font-weight: 600; color: var(--quiet) } .values dd { margin: .15rem 0 0 }
button.copy-it { padding: .05rem .55rem; font-size: .82rem; min-height: 1.5rem } button[hidden] { display: none }
.choices { display: grid; gap: .6rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 13rem), 1fr)) }
.choices button { text-align: left; padding: .7rem .9rem; width: 100% } .choices button[aria-pressed=true] { border-color: var(--accent); outline: 2px solid var(--accent) }
.todo { list-style: none; padding: 0; display: grid; gap: .6rem } .todo li { display: grid; grid-template-columns: 1.6rem minmax(0, 1fr); gap: .1rem .5rem }
.todo .mark { font-weight: 700; color: var(--quiet) } .todo .done .mark { color: var(--good) } .todo .wrong .mark { color: var(--bad) } .todo .how { grid-column: 2; color: var(--quiet); font-size: .92rem }
.arrivals { list-style: none; padding: 0; display: grid; gap: .6rem } .arrivals li { display: grid; grid-template-columns: minmax(6.5rem, max-content) minmax(0, 1fr); gap: .1rem .8rem }
.arrivals .when { color: var(--quiet); font-size: .87rem } .arrivals .remedy { grid-column: 2; font-size: .92rem }
.foot { color: var(--quiet); font-size: .82rem }
@media (max-width: 56rem) { .steps { grid-template-columns: minmax(0, 1fr) } .steps > .beside { position: static; order: -1 } }
@media (max-width: 40rem) { .arrivals li { grid-template-columns: minmax(0, 1fr) } .arrivals .remedy { grid-column: 1 } }
`

/** The style sheet of the portal in the operator's colour. */
export function portalStyle(colour: string): string {
  const { light, dark } = accentsOf(colour)
  const root = ({ accent, onAccent }: typeof light) => `:root { --accent: ${accent}; --on-accent: ${onAccent} }`
  return `${STYLE}${OWN}${root(light)}\n@media (prefers-color-scheme: dark) { ${root(dark)} }\n`
}
