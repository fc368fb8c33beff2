/**
 * Bounds of a filter (RFC 7644 §7.7, checklist H-12). Filters that people and identity providers write stay far below them.
 *
 * Every term becomes a condition in SQL, and the embedded engine runs queries on the thread that serves requests. So the number
 * of terms bounds how long one request can hold up the others.
 */

/** UTF-16 units in the text of a filter or PATCH path; what fits into a request line of usual servers. */
export const MAX_FILTER_LENGTH = 8192

/** Brackets inside each other. Parser, evaluation and SQL recurse once per level. */
export const MAX_FILTER_DEPTH = 32

/** Attribute expressions in one filter, those in brackets included. */
export const MAX_FILTER_TERMS = 128
