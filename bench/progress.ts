/** Tells people how far the benchmark is: one line that changes on a terminal, plain lines elsewhere. */
export interface Progress {
  /** What is being done, where nobody knows how long it will take. */
  note(text: string): void
  /** How much of one long thing is done. */
  portion(text: string, done: number, of: number): void
  /** Begins a part of `steps` steps. */
  begin(steps: number): void
  /** One step is beginning. */
  step(text: string): void
  /** A line that stays. */
  say(text: string): void
}

const WIDTH = 30

export function progressOn(out: NodeJS.WriteStream): Progress {
  const clear = out.isTTY ? '\r\u001b[K' : ''
  let steps = 0
  let done = 0
  let last = ''
  let lastAt = Number.NEGATIVE_INFINITY
  const show = (text: string, at = done, of = steps) => {
    if (out.isTTY) {
      const full = of === 0 ? 0 : Math.round((at / of) * WIDTH)
      const bar = of === 0 ? '' : `${'█'.repeat(full)}${'░'.repeat(WIDTH - full)} ${Math.round((at / of) * 100)} %  `
      out.write(`${clear}${`${bar}${text}`.slice(0, out.columns - 1)}`)
      return
    }
    // Plain lines: what is new, and not more than one in five seconds of the same.
    const what = text.split(':')[0] ?? ''
    if (what === last && performance.now() - lastAt < 5_000) return
    last = what
    lastAt = performance.now()
    out.write(of === 0 ? `${text}\n` : `[${at}/${of}] ${text}\n`)
  }
  return {
    note: (text) => show(text),
    portion: show,
    begin: (count) => {
      steps = count
      done = 0
    },
    step: (text) => {
      show(text)
      done++
    },
    say: (text) => void out.write(`${clear}${text}\n`),
  }
}
