import { createHash } from 'node:crypto'

/** The style sheet of all pages. It stands in each page, so that nothing is loaded. */
export const STYLE = `
:root { color-scheme: light dark; --page: #f5f6f8; --card: #fff; --line: #dfe3e9; --text: #1b2330; --quiet: #5a6576;
  --accent: #2457c5; --good: #17683a; --good-bg: #e2f4e8; --warn: #7a4b00; --warn-bg: #fdf0d2; --bad: #a01c25; --bad-bg: #fde5e5;
  --code: #eef1f5; --on-accent: #fff }
@media (prefers-color-scheme: dark) { :root { --page: #0f141b; --card: #171e28; --line: #2b3543; --text: #e2e8f0; --quiet: #97a4b6;
  --accent: #86b1ff; --good: #7dd6a0; --good-bg: #143323; --warn: #f1c56d; --warn-bg: #3a2b0c; --bad: #ff9a9f; --bad-bg: #42191d;
  --code: #212a37; --on-accent: #0f141b } }
* { box-sizing: border-box } html { -webkit-text-size-adjust: 100% }
body { margin: 0; background: var(--page); color: var(--text); font: 15px/1.5 system-ui, sans-serif; overflow-wrap: anywhere }
a { color: var(--accent); text-underline-offset: .15em } h1, h2, h3, p, dl, dd, ul, ol { margin: 0 }
h1 { font-size: 1.55rem; line-height: 1.25 } h2 { font-size: 1.08rem; margin: 0 0 .7rem } h3 { font-size: .98rem }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; border-radius: 3px }
.skip { position: absolute; left: -99rem } .skip:focus { left: 1rem; top: .5rem; background: var(--card); padding: .4rem .8rem; z-index: 1 }
.bar { background: var(--card); border-bottom: 1px solid var(--line) }
.bar > div { display: flex; flex-wrap: wrap; align-items: center; gap: .3rem 1.3rem; padding: .6rem 1.2rem; max-width: 76rem; margin: auto }
.brand { font-weight: 700; color: inherit; text-decoration: none; display: inline-flex; align-items: center; gap: .5rem }
.brand svg { width: 1.15rem; height: 1.15rem; fill: var(--accent) }
.bar nav { display: flex; flex-wrap: wrap; gap: .2rem 1.1rem; margin-right: auto } .bar nav a { text-decoration: none }
.bar search { margin: 0; flex: 0 1 19rem } .bar form.find { flex-wrap: nowrap; gap: .4rem } .bar form.find label { flex: 1 1 auto; max-width: none }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap }
.bar nav a[aria-current] { color: inherit; font-weight: 600; border-bottom: 2px solid var(--accent) }
.who { color: var(--quiet); font-size: .87rem } .who, .who form { display: flex; flex-wrap: wrap; gap: .3rem .8rem; align-items: center }
main { max-width: 76rem; margin: 0 auto; padding: 1.2rem 1.2rem 4rem; display: grid; gap: 1.1rem; grid-template-columns: minmax(0, 1fr) }
.crumbs { font-size: .87rem; color: var(--quiet) } .crumbs ol { list-style: none; padding: 0; display: flex; flex-wrap: wrap; gap: .2rem .5rem }
.crumbs li + li::before { content: "/"; margin-right: .5rem; color: var(--line) }
.head { display: flex; flex-wrap: wrap; gap: .5rem .9rem; align-items: center } .head .actions { margin-left: auto }
.head .quiet { width: 100% }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 1rem 1.15rem; min-width: 0 }
.card > .top { display: flex; flex-wrap: wrap; gap: .4rem 1rem; align-items: baseline; justify-content: space-between }
.two { display: grid; gap: 1.1rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); align-items: start }
.rows { display: grid; gap: 1.1rem; grid-template-columns: minmax(0, 1fr) }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); gap: .8rem }
.tile { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: .7rem 1rem; color: inherit; text-decoration: none; display: block }
.tile b { display: block; font-size: 1.5rem; line-height: 1.25; font-variant-numeric: tabular-nums } .tile span { color: var(--quiet); font-size: .87rem }
a.tile:hover, a.tenant:hover { border-color: var(--accent) } .tile.bad b { color: var(--bad) } .tile.warn b { color: var(--warn) }
.tenants { display: grid; gap: .7rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 17rem), 1fr)); list-style: none; padding: 0 }
a.tenant { display: block; height: 100%; border: 1px solid var(--line); border-radius: 8px; padding: .6rem .8rem; color: inherit; text-decoration: none }
a.tenant b { color: var(--accent) } .env + .env { border-top: 1px solid var(--line); margin-top: 1rem; padding-top: .9rem }
.env .top { margin-bottom: .6rem; display: flex; flex-wrap: wrap; gap: .4rem .8rem; align-items: baseline } .env .top a:last-child { margin-left: auto }
.badge { display: inline-block; border-radius: 99px; padding: .05rem .6rem; font-size: .78rem; font-weight: 600; background: var(--code); color: var(--quiet); white-space: nowrap }
.badge.good { background: var(--good-bg); color: var(--good) } .badge.warn { background: var(--warn-bg); color: var(--warn) }
.badge.bad { background: var(--bad-bg); color: var(--bad) } .badges { display: inline-flex; flex-wrap: wrap; gap: .3rem }
.notice, .warning { border-radius: 8px; padding: .65rem 1rem; background: var(--good-bg); color: var(--good) }
.warning { background: var(--warn-bg); color: var(--warn) } .warning.bad { background: var(--bad-bg); color: var(--bad) }
.look { list-style: none; padding: 0; display: grid; gap: .55rem } .look li { display: flex; gap: .7rem; align-items: baseline } .look .badge { flex: none; min-width: 5.2rem; text-align: center }
ol.steps { list-style: none; padding: 0; display: grid; gap: .7rem } ol.steps > li { display: flex; gap: .8rem; align-items: baseline } ol.steps .badge { flex: none; min-width: 3.6rem; text-align: center }
.quiet { color: var(--quiet) } .small { font-size: .87rem } .num { font-variant-numeric: tabular-nums }
code { background: var(--code); border-radius: 4px; padding: .08rem .35rem; font: .88em/1.5 ui-monospace, monospace }
code.copy { display: block; margin-top: .5rem; padding: .4rem .6rem; user-select: all; cursor: copy }
.scroll { overflow-x: auto; margin: 0 -1.15rem; padding: 0 1.15rem } .scroll:focus-visible { outline-offset: -3px }
table { border-collapse: collapse; width: 100%; font-size: .92rem } caption { text-align: left; color: var(--quiet); padding-bottom: .4rem }
th { text-align: left; font-weight: 600; color: var(--quiet); font-size: .82rem; white-space: nowrap } th, td { padding: .45rem 1rem .45rem 0; vertical-align: top; border-bottom: 1px solid var(--line) }
td { overflow-wrap: break-word } td.long { overflow-wrap: anywhere; min-width: 11rem }
tr:last-child td, tr:last-child th { border-bottom: 0 } th:last-child, td:last-child { padding-right: 0 } td.own { font-weight: 600 }
dl.facts { display: grid; grid-template-columns: minmax(7rem, max-content) minmax(0, 1fr); gap: .35rem 1.2rem } dl.facts dt { color: var(--quiet) }
dl.facts dl.facts { grid-column: auto } dd ul { list-style: none; padding: 0; display: grid; gap: .4rem }
form.fields { display: grid; gap: .8rem; max-width: 34rem } form.wide { display: grid; gap: 1rem } fieldset.grid { display: grid; gap: .9rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 19rem), 1fr)); align-items: start } div.field { display: grid; gap: .2rem; font-size: .87rem } fieldset.rule { display: grid; gap: .6rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 11rem), 1fr)) } summary.bad { color: var(--bad) } form.find { display: flex; flex-wrap: wrap; gap: .5rem; align-items: end } form.find label { flex: 1 1 9rem; max-width: 22rem } search { display: block; margin-bottom: 1rem } search:last-child { margin: 0 }
.warning ul { padding-left: 1.2rem; margin-top: .3rem } [aria-invalid] { border-color: var(--bad) !important } small.mistake { color: var(--bad) !important; font-weight: 600 !important }
label > code { justify-self: start } label { display: grid; gap: .2rem; font-size: .87rem; font-weight: 600 } label small, fieldset small { font-weight: 400; color: var(--quiet) }
fieldset { border: 1px solid var(--line); border-radius: 8px; padding: .5rem .9rem .7rem; margin: 0 } legend { font-size: .87rem; font-weight: 600; padding: 0 .3rem }
label.box { display: flex; flex-wrap: wrap; gap: .1rem .5rem; align-items: center; font-weight: 400; font-size: .92rem }
input, select, textarea, button { font: inherit; color: inherit } textarea { font: .88em/1.5 ui-monospace, monospace; resize: vertical } ::placeholder { color: var(--quiet); opacity: 1 } input:not([type=checkbox]):not([type=radio]), select, textarea { background: var(--page); border: 1px solid var(--quiet); border-radius: 6px; padding: .4rem .6rem; max-width: 100%; min-width: 0; font-weight: 400; min-height: 2.35rem }
button, .button { background: var(--card); border: 1px solid var(--quiet); border-radius: 6px; padding: .38rem .9rem; cursor: pointer; font-weight: 600; font-size: .92rem; text-decoration: none; justify-self: start }
button.main, .button.main { background: var(--accent); border-color: var(--accent); color: var(--on-accent) } button.bad { background: var(--bad-bg); color: var(--bad); border-color: var(--bad) }
button.link { border: 0; padding: 0; background: none; color: var(--accent); text-decoration: underline; font-weight: 400 }
a.button { display: inline-block; color: inherit } th a { color: inherit; text-decoration-style: dotted } th[aria-sort] a { color: var(--text); text-decoration: none }
.actions { display: flex; flex-wrap: wrap; gap: .6rem; align-items: flex-start } details > summary { cursor: pointer; color: var(--accent); font-weight: 600; font-size: .92rem }
details.act > summary { list-style: none; display: inline-block; background: var(--card); border: 1px solid var(--quiet); border-radius: 6px; padding: .38rem .9rem; color: inherit }
details.act > summary::-webkit-details-marker { display: none } details.act.bad > summary { background: var(--bad-bg); color: var(--bad); border-color: var(--bad) } details.act.main > summary { background: var(--accent); color: var(--on-accent); border-color: var(--accent) }
details[open] > summary { margin-bottom: .7rem } details.more { margin-top: .8rem } details p + form { margin-top: .6rem }
.timeline { list-style: none; padding: 0 } .timeline > li { position: relative; padding: 0 0 .75rem 1.3rem; border-left: 2px solid var(--line); margin-left: .35rem }
.timeline > li:last-child { border-color: transparent } .timeline > li::before { content: ""; position: absolute; left: -.42rem; top: .42rem; width: .7rem; height: .7rem; border-radius: 50%; background: var(--quiet); border: 2px solid var(--card) }
.timeline > li.good::before { background: var(--good) } .timeline > li.bad::before { background: var(--bad) } .timeline > li.warn::before { background: var(--warn) }
.timeline .when { color: var(--quiet); font-size: .84rem } .timeline summary { font-weight: 400; font-size: .87rem }
.changes { font-size: .87rem; display: grid; gap: .15rem; margin: .2rem 0 0; padding: 0; list-style: none } del { color: var(--bad); text-decoration-thickness: 1px } ins { color: var(--good); text-decoration: none }
svg.hours { width: 100%; height: 4rem; display: block } svg.hours rect { fill: var(--accent) } svg.hours rect.none { fill: var(--line) } .axis { display: flex; justify-content: space-between; font-size: .78rem; color: var(--quiet) }
.tabs { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; border-bottom: 1px solid var(--line); margin-bottom: 1rem } .tabs a { padding: .3rem 0; text-decoration: none } .tabs a[aria-current] { color: inherit; font-weight: 600; border-bottom: 2px solid var(--accent) }
.tabs.parts { margin: 0 }
.pager { display: flex; gap: 1rem; margin-top: .9rem; font-size: .92rem }
.narrow { max-width: 30rem; margin: 8vh auto 0; width: 100% } .narrow.card { display: grid; gap: .7rem }
ul.plain { list-style: none; padding: 0; display: grid; gap: .3rem }
section.body { background: var(--code); border-radius: 8px; padding: .7rem .9rem; font: .82rem/1.5 ui-monospace, monospace; white-space: pre-wrap; overflow-wrap: anywhere; max-height: 32rem; overflow: auto } section.body pre { margin: 0; font: inherit; white-space: inherit }
@media (max-width: 40rem) { main { padding: 1rem .8rem 3rem } .bar > div { padding: .6rem .8rem } .card { padding: .9rem .85rem } .scroll { margin: 0 -.85rem; padding: 0 .85rem }
  dl.facts { grid-template-columns: minmax(0, 1fr); gap: .1rem } dl.facts dd { margin-bottom: .5rem } .head .actions { margin-left: 0 } .bar nav { order: 3; width: 100%; margin: 0 } .who { margin-left: auto } }
`

/** The source of the style sheet for a `Content-Security-Policy`. */
export const STYLE_SOURCE = `'sha256-${createHash('sha256').update(STYLE).digest('base64')}'`
