const MAX_LENGTH = 200

/** A `User-Agent` as it may be stored and shown: printable ASCII, up to 200 characters; null where it says nothing. */
export function describeClient(userAgent: string | undefined): string | null {
  const text = (userAgent ?? '').slice(0, MAX_LENGTH).replaceAll(/[^ -~]+/g, ' ')
  return text.trim() === '' ? null : text.trim()
}
