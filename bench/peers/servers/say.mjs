/**
 * Tells the benchmark where a server listens, below which path it speaks SCIM, and with which bearer token.
 *
 * @param {import('node:http').Server} server
 * @param {{ base: string, token: string }} scim
 */
export function say(server, scim) {
  process.stdout.write(`listening on http://127.0.0.1:${server.address().port} ${JSON.stringify(scim)}\n`)
}
