/** Whether a text has the form of our ids, which are lower-case UUIDs. No other text may reach a `uuid` column. */
export const isOurId = (text: string): boolean =>
  /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/.test(text)

/** Before every id: where a list by ids begins. */
export const FIRST_ID = '00000000-0000-0000-0000-000000000000'
/** Behind every id. */
export const LAST_ID = 'ffffffff-ffff-ffff-ffff-ffffffffffff'
