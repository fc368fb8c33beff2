/** Reads a request's headers by their names in lower case; several of one name are joined with commas (RFC 9110 §5.3). */
export type HeaderReader = (name: string) => string | undefined

/**
 * The reader for a request. Where Node's own list of headers is at hand, it is read as it is: to make a `Headers` of it costs
 * more than all look-ups in it.
 *
 * @param incoming Node's request, if the request came over a connection
 */
export function headerReader(
  request: Request,
  incoming: { readonly rawHeaders: readonly string[] } | undefined,
): HeaderReader {
  if (incoming === undefined) {
    // Such a request names its host in the URL alone.
    return (name) => request.headers.get(name) ?? (name === 'host' ? new URL(request.url).host : undefined)
  }
  const { rawHeaders } = incoming
  return (name) => {
    let found: string | undefined
    for (let i = 0; i < rawHeaders.length; i += 2) {
      const key = rawHeaders[i] as string
      if (key.length !== name.length || key.toLowerCase() !== name) continue
      const value = rawHeaders[i + 1] as string
      found = found === undefined ? value : `${found}, ${value}`
    }
    return found
  }
}
