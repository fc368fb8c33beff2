import type { Reason } from '../scim/reasons.ts'
import { type Explanation, OPERATOR, OTHER_MODE } from './explanation.ts'

const faultOfClient = ({ name }: { readonly name: string }) =>
  `Report this to the maker of ${name}: no setting of the tenant can mend it.`

/** Refusals for the form of a message: media types, JSON, schemas, PATCH, queries, versions and bulk. */
export const ABOUT_MESSAGES = {
  'accept-unsupported': {
    problem: ({ Name }) => `${Name} asks for an answer in a format that SCIM does not have.`,
    remedy: () => 'Set the Accept header to application/scim+json, where the client lets you choose it.',
  },
  'content-type-unsupported': {
    problem: ({ Name }) => `${Name} sent data under a content type that SCIM does not have.`,
    remedy: () => 'Set the content type to application/scim+json, where the client lets you choose it.',
  },
  'body-compressed': {
    problem: ({ Name }) => `${Name} sent compressed data.`,
    remedy: () => 'Turn compression of requests off in the client, or in the proxy between.',
  },
  'charset-unsupported': {
    problem: ({ Name }) => `${Name} sent text in another encoding than UTF-8.`,
    remedy: () => 'Set the content type to application/scim+json without a charset.',
  },
  'body-incomplete': {
    problem: () => 'The connection ended before all of the request had arrived.',
    remedy: ({ again }) => `Look at the network and the proxy between. ${again}`,
  },
  'body-not-utf8': {
    problem: ({ Name }) => `${Name} sent bytes that are no UTF-8 text.`,
    remedy: ({ mapping }) => `Look for damaged characters in the values of ${mapping}.`,
  },
  'body-not-json': {
    problem: ({ Name }) => `${Name} sent something that is not JSON, or nothing at all.`,
    remedy: ({ mapping }) => `Correct the template in ${mapping}: look for a missing quotation mark, comma or bracket.`,
  },
  'body-not-object': {
    problem: ({ Name }) => `${Name} sent JSON that is no object.`,
    remedy: ({ mapping }) => `Correct the template in ${mapping}, so that it begins with { and ends with }.`,
  },
  'body-too-deep': {
    problem: ({ Name }) => `${Name} sent data that is nested too deep.`,
    remedy: ({ mapping }) => `Flatten the template in ${mapping}: no attribute of SCIM needs so many levels.`,
  },
  'member-repeated': {
    problem: ({ Name }) => `${Name} sent the same attribute twice.`,
    remedy: ({ mapping }) => `Remove one of the two lines in ${mapping}; capital letters make no difference.`,
  },
  'number-too-large': {
    problem: ({ Name }) => `${Name} sent a number that is too large to be kept exactly.`,
    remedy: ({ mapping }) => `Send it as text in ${mapping}, or choose another attribute.`,
  },
  'text-unstorable': {
    problem: ({ Name }) => `${Name} sent text with characters that no database can store.`,
    remedy: () => 'Look for invisible characters in the profile of this person or group, and remove them.',
  },
  'schemas-missing': {
    problem: ({ Name }) => `${Name} did not say which kind of message it sent: "schemas" lacks its name.`,
    remedy: ({ mapping }) => `Add schemas with the name of the type to the template in ${mapping}. ${OTHER_MODE}`,
  },
  'schemas-malformed': {
    problem: ({ Name }) => `${Name} sent "schemas" in another form than a list of texts.`,
    remedy: ({ mapping }) => `Write schemas as a list of texts in the template of ${mapping}.`,
  },
  'schema-unknown': {
    problem: ({ Name }) => `${Name} sent data of a schema that the tenant does not have.`,
    remedy: ({ mapping }) => `Ask ${OPERATOR} to register the schema, or remove it from ${mapping}. ${OTHER_MODE}`,
  },
  'extension-undeclared': {
    problem: ({ Name }) => `${Name} sent data of an extension that "schemas" does not name.`,
    remedy: ({ mapping }) => `Add the name of the extension to schemas in ${mapping}. ${OTHER_MODE}`,
  },
  'schema-not-found': {
    problem: ({ Name }) => `${Name} asked for a schema that the tenant does not have.`,
    remedy: ({ mapping }) => `Ask ${OPERATOR} to register the schema, or correct its name in ${mapping}.`,
  },
  'resource-type-not-found': {
    problem: ({ Name }) => `${Name} asked for a resource type that the tenant does not have.`,
    remedy: () => `Ask ${OPERATOR} to register it, or remove it from what the client reads.`,
  },
  'definition-wrong': {
    problem: () => 'The definition of a schema is wrong.',
    remedy: () => `Ask ${OPERATOR} to correct the definition of the schema.`,
  },
  'definitions-misfit': {
    problem: () => 'Two schemas of the tenant contradict each other, while somebody changes one of them.',
    remedy: ({ Name }) => `${Name} may send the request again. If that lasts, ask ${OPERATOR} to correct the schemas.`,
  },
  'patch-malformed': {
    problem: ({ Name }) => `${Name} sent a PATCH whose operations cannot be read.`,
    remedy: () => `Use PUT for updates, where the client offers it. ${OTHER_MODE}`,
  },
  'operation-unknown': {
    problem: ({ Name }) => `${Name} sent a PATCH with an operation other than add, remove or replace.`,
    remedy: faultOfClient,
  },
  'operation-in-capitals': {
    problem: ({ Name }) => `${Name} wrote the name of a PATCH operation in capitals, which the tenant's mode refuses.`,
    remedy: ({ standardPatch = '' }) => `Ask ${OPERATOR} to set the tenant's mode to lenient. ${standardPatch}`.trim(),
  },
  'patch-path-missing': {
    problem: ({ Name }) => `${Name} sent a change that does not say which attribute it is about.`,
    remedy: () => `Choose PUT for updates, where the client offers it. ${OTHER_MODE}`,
  },
  'patch-path-malformed': {
    problem: ({ Name }) => `${Name} named an attribute in a way that cannot be read.`,
    remedy: ({ mapping }) => `Correct the name of the target in ${mapping}, such as emails[type eq "work"].value.`,
  },
  'patch-path-unknown': {
    namesField: true,
    problem: ({ Name, field }) => `${Name} changed ${field}, which no schema of the tenant has.`,
    remedy: ({ mapping }) => `Remove the attribute from ${mapping}, or have its schema registered here. ${OTHER_MODE}`,
  },
  'patch-value-missing': {
    problem: ({ Name }) => `${Name} sent a change without a value.`,
    remedy: ({ mapping }) => `Look for an empty source in ${mapping}, and give it a default or remove it.`,
  },
  'patch-value-unexpected': {
    problem: ({ Name }) => `${Name} listed values to remove, which the tenant's mode does not read.`,
    remedy: () => `Ask ${OPERATOR} to set the tenant's mode to lenient, which reads this.`,
  },
  'no-value-matches': {
    namesField: true,
    problem: ({ Name, field, what }) => `${Name} changed ${field}, which this ${what} does not have yet.`,
    remedy: ({ again }) => `Let the client send the whole profile anew. ${again} ${OTHER_MODE}`,
  },
  'several-values-match': {
    namesField: true,
    problem: ({ Name, field }) => `${Name} changed ${field}, and several values fit.`,
    remedy: ({ mapping }) => `Give each value a type of its own in ${mapping}. ${OTHER_MODE}`,
  },
  'member-changed': {
    namesField: true,
    problem: ({ Name }) => `${Name} tried to change a member of a group in place.`,
    remedy: () => 'Remove the member from the group, and add the other one.',
  },
  'filter-malformed': {
    problem: ({ Name }) => `${Name} sent a filter that cannot be read.`,
    remedy: ({ match }) => `Look for a missing quotation mark or operator in the filter. ${match}`,
  },
  'filter-attribute-unknown': {
    namesField: true,
    problem: ({ Name, field }) => `${Name} searched by ${field}, which no schema of the tenant has.`,
    remedy: ({ match }) => `Correct the attribute by which users or groups are matched. ${match}`,
  },
  'filter-comparison-wrong': {
    problem: ({ Name }) => `${Name} compared an attribute with a value or an operator that does not suit it.`,
    remedy: ({ match }) => `Compare texts with texts, and true or false with "eq" alone. ${match}`,
  },
  'sort-unknown': {
    problem: ({ Name }) => `${Name} asked for an order by something that is no attribute.`,
    remedy: () => 'Sort by userName or by meta.created, or leave the order out.',
  },
  'parameter-wrong': {
    problem: ({ Name }) => `${Name} sent a parameter of a query that cannot be read.`,
    remedy: () => 'Send startIndex and count as whole numbers, and each parameter once.',
  },
  'cursor-wrong': {
    problem: ({ Name }) => `${Name} continued a list with a cursor of another query.`,
    remedy: ({ again }) => `Start the import from its first page. ${again}`,
  },
  'cursor-expired': {
    problem: ({ Name }) => `${Name} waited too long before it asked for the next page.`,
    remedy: ({ again }) => `Start the import from its first page. ${again}`,
  },
  'cursor-count-changed': {
    problem: ({ Name }) => `${Name} changed the size of pages in the middle of a list.`,
    remedy: () => 'Keep the size of pages, or start the import from its first page.',
  },
  'version-changed': {
    problem: ({ Name, what }) => `${Name} changed an older version of the ${what} than the one that is there now.`,
    remedy: ({ again }) => `Have the client read it anew and repeat the change. ${again}`,
  },
  'precondition-malformed': {
    problem: ({ Name }) => `${Name} sent If-Match or If-None-Match in a form that cannot be read.`,
    remedy: faultOfClient,
  },
  'bulk-malformed': {
    problem: ({ Name }) => `${Name} sent a bulk request whose operations cannot be read.`,
    remedy: () => 'Turn bulk requests off in the client, so that it sends changes one by one.',
  },
  'bulk-reference-unknown': {
    problem: ({ Name }) => `${Name} referred to a resource that the same bulk request does not create.`,
    remedy: () => 'Turn bulk requests off in the client, so that it sends changes one by one.',
  },
  'bulk-reference-failed': {
    problem: () => 'An earlier part of the bulk request failed, and this part depends on it.',
    remedy: ({ again }) => `Mend what the earlier part was refused for. ${again}`,
  },
} as const satisfies Partial<Record<Reason, Explanation>>
