import fc from 'fast-check'
import { expect, test } from 'vitest'
import { STYLE } from '../../../src/http/console/style.ts'
import { accentsOf, contrast, LEAST_CONTRAST } from '../../../src/http/portal/colours.ts'

const colour = fc.integer({ min: 0, max: 0xffffff }).map((number) => `#${number.toString(16).padStart(6, '0')}`)

/** The backgrounds of a theme, as the style sheet has them. */
function backgrounds(theme: 'light' | 'dark'): string[] {
  const [light = '', dark = ''] = STYLE.split('@media (prefers-color-scheme: dark)')
  const long = (hex: string) => (hex.length === 4 ? hex.replaceAll(/[0-9a-f]/g, '$&$&') : hex)
  const text = theme === 'light' ? light : dark
  return [...text.matchAll(/--(?:page|card|code): (#[0-9a-f]{3,6})/g)].map(([, hex = '']) => long(hex))
}

test('contrast is that of WCAG', () => {
  expect(contrast('#000000', '#ffffff')).toBeCloseTo(21, 5)
  expect(contrast('#777777', '#ffffff')).toBeCloseTo(4.48, 2)
})

test('every colour can be read in both themes, on every background, and text on it', () => {
  const themes = [backgrounds('light'), backgrounds('dark')]
  expect(themes.map((one) => one.length)).toEqual([3, 3])
  fc.assert(
    fc.property(colour, (asked) => {
      const { light, dark } = accentsOf(asked)
      for (const [i, shade] of [light, dark].entries())
        for (const background of [...(themes[i] ?? [])])
          expect(contrast(shade.accent, background)).toBeGreaterThanOrEqual(LEAST_CONTRAST)
      for (const { accent, onAccent } of [light, dark])
        expect(contrast(accent, onAccent)).toBeGreaterThanOrEqual(LEAST_CONTRAST)
    }),
  )
})

test('a colour that can be read stays as it is', () => {
  expect(accentsOf('#2457c5').light.accent).toBe('#2457c5')
  expect(accentsOf('#86b1ff').dark.accent).toBe('#86b1ff')
})
