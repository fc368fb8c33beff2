/**
 * How far a tenant departs from the letter of the RFCs. A mode is nothing but a named set of deviations, looked up once per
 * request. The code asks for a deviation by name, never for a mode.
 */
export type Mode = 'lenient' | 'standard' | 'strict' | 'interop'

export const MODES: readonly Mode[] = ['lenient', 'standard', 'strict', 'interop']
