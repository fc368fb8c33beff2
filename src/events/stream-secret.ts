// What proves to the receiver of a pushed stream who sends. It is kept as one sealed text: a bearer token, or a whole header.

/** No bearer token has a space in it. */
const HEADER = 'header '

/** The text to be sealed for a whole `Authorization` header, as receivers give it (SSF 1.0 §6.1.1). */
export const secretOfHeader = (header: string): string => HEADER + header

/** The `Authorization` header that the opened text stands for. */
export const authorizationIn = (secret: string): string =>
  secret.startsWith(HEADER) ? secret.slice(HEADER.length) : `Bearer ${secret}`
