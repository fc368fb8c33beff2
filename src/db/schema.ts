/**
 * All tables. Migrations are made of this file: `npm run db:generate`. `tenant_id` leads every key, unique index and reference
 * of a tenant's tables. So the database itself refuses a member of another tenant, and Citus can distribute them by tenant.
 */
export * from './schema/accounts.ts'
export * from './schema/catalogue.ts'
export * from './schema/delivery.ts'
export * from './schema/directory.ts'
export * from './schema/erasure.ts'
export * from './schema/feeds.ts'
export * from './schema/history.ts'
export * from './schema/instance.ts'
export * from './schema/keys.ts'
export * from './schema/log.ts'
export * from './schema/places.ts'
export * from './schema/roles.ts'
