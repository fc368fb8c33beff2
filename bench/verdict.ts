/** A promise about speed or size, and whether it was kept. */
export interface Verdict {
  readonly what: string
  /** Such as `≥ 0.75`. */
  readonly target: string
  readonly measured: string
  readonly reached: boolean
}

export const atLeast = (what: string, value: number, target: number): Verdict => ({
  ...{ what, target: `≥ ${target.toFixed(2)}`, measured: value.toFixed(2), reached: value >= target },
})

/** `unit` stands behind both numbers. */
export function atMost(what: string, value: number, target: number, unit = ''): Verdict {
  const text = (n: number) => `${unit === 'MB' ? n.toFixed(0) : n.toFixed(2)}${unit && ` ${unit}`}`
  return { what, target: `≤ ${text(target)}`, measured: text(value), reached: value <= target }
}
