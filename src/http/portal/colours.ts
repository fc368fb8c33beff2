/** The least contrast between text and what is behind it (WCAG 2.2, 1.4.3). */
export const LEAST_CONTRAST = 4.5

type Rgb = readonly [red: number, green: number, blue: number]

const BLACK: Rgb = [0, 0, 0]
const WHITE: Rgb = [255, 255, 255]
/** The backgrounds that are hardest to read on: the darkest of the light theme, the lightest of the dark one. */
const DARKEST_OF_LIGHT = '#e9edf2'
const LIGHTEST_OF_DARK = '#212a37'
const STEPS = 50

/** A colour for links and buttons, and the colour of text on such a button. */
export interface Accent {
  readonly accent: string
  readonly onAccent: string
}

/**
 * The operator's colour as it can be read in both themes: darker in the light one, lighter in the dark one, and as near to what
 * was asked for as that allows.
 *
 * @param colour such as `#2457c5`
 */
export function accentsOf(colour: string): { readonly light: Accent; readonly dark: Accent } {
  return {
    light: { accent: readable(colour, DARKEST_OF_LIGHT, BLACK), onAccent: '#ffffff' },
    dark: { accent: readable(colour, LIGHTEST_OF_DARK, WHITE), onAccent: '#0f141b' },
  }
}

/** How far two colours are apart, from 1 to 21. */
export function contrast(one: string, other: string): number {
  const [a, b] = [luminance(rgbOf(one)), luminance(rgbOf(other))]
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)
}

function readable(colour: string, background: string, towards: Rgb): string {
  const from = rgbOf(colour)
  for (let step = 0; step < STEPS; step++) {
    const shade = hexOf(from.map((part, i) => part + (((towards[i] ?? 0) - part) * step) / STEPS))
    if (contrast(shade, background) >= LEAST_CONTRAST) return shade
  }
  return hexOf(towards)
}

const rgbOf = (colour: string): Rgb => [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16)) as never

const hexOf = (parts: readonly number[]): string =>
  `#${parts.map((part) => Math.round(part).toString(16).padStart(2, '0')).join('')}`

/** By WCAG 2.2. */
function luminance(rgb: Rgb): number {
  const [red = 0, green = 0, blue = 0] = rgb.map((part) => {
    const share = part / 255
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4
  })
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue
}
