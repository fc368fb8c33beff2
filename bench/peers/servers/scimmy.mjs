import { randomBytes, randomUUID } from 'node:crypto'
import express from 'express'
import pg from 'pg'
import SCIMMY from 'scimmy'
import SCIMMYRouters from 'scimmy-routers'
import { say } from './say.mjs'

// As the README says: declare the resource types with handlers of one's own, mount the routers, check the bearer token.
// The store is what the handlers suggest: a table for each type, the resource as a document, an index for the name.

const token = randomBytes(24).toString('hex')
const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 10 })
await pool.query(`
  create table users (id uuid primary key, name text not null unique, document jsonb not null, created timestamptz not null);
  create index users_order on users (created, id);
  create table groups (id uuid primary key, name text not null unique, document jsonb not null, created timestamptz not null)`)

const found = ({ id, document, created }) => ({ ...document, id, meta: { ...document.meta, created } })

/** Handlers of a resource type over its table; `key` is the attribute that names a resource. */
const handlers = (table, key) => ({
  async ingress(resource, data) {
    const document = JSON.stringify({ ...data, id: undefined, meta: { lastModified: new Date() } })
    const name = data[key].toLowerCase()
    try {
      const { rows } = resource.id
        ? await pool.query(`update ${table} set name = $2, document = $3 where id = $1 returning *`, [
            resource.id,
            name,
            document,
          ])
        : await pool.query(`insert into ${table} values ($1, $2, $3, now()) returning *`, [
            randomUUID(),
            name,
            document,
          ])
      if (!rows[0]) throw new SCIMMY.Types.Error(404, null, `Resource ${resource.id} not found`)
      return found(rows[0])
    } catch (error) {
      if (error.code === '23505') throw new SCIMMY.Types.Error(409, 'uniqueness', 'Value is not unique')
      throw error
    }
  },
  async egress(resource) {
    if (resource.id) {
      const { rows } = await pool.query(`select * from ${table} where id = $1`, [resource.id])
      if (!rows[0]) throw new SCIMMY.Types.Error(404, null, `Resource ${resource.id} not found`)
      return found(rows[0])
    }
    if (resource.filter) {
      const [[operator, value] = []] = [resource.filter[0]?.[key]]
      if (resource.filter.length === 1 && Object.keys(resource.filter[0]).length === 1 && operator === 'eq') {
        const { rows } = await pool.query(`select * from ${table} where name = $1`, [value.toLowerCase()])
        return rows.map(found)
      }
      const { rows } = await pool.query(`select * from ${table}`)
      return resource.filter.match(rows.map(found))
    }
    const { startIndex = 1, count = 20 } = resource.constraints ?? {}
    const [{ rows: total }, { rows }] = await Promise.all([
      pool.query(`select count(*)::int as n from ${table}`),
      pool.query(`select * from ${table} order by created, id offset $1 limit $2`, [startIndex - 1, count]),
    ])
    resource.constraints = { ...resource.constraints, totalResults: total[0].n }
    return rows.map(found)
  },
  async degress(resource) {
    const { rowCount } = await pool.query(`delete from ${table} where id = $1`, [resource.id])
    if (rowCount === 0) throw new SCIMMY.Types.Error(404, null, `Resource ${resource.id} not found`)
  },
})

SCIMMY.Resources.declare(SCIMMY.Resources.User, {
  ...handlers('users', 'userName'),
  extensions: [{ schema: SCIMMY.Schemas.EnterpriseUser, required: false }],
})
SCIMMY.Resources.declare(SCIMMY.Resources.Group, handlers('groups', 'displayName'))

const app = express()
app.use(
  '/scim',
  new SCIMMYRouters({
    type: 'bearer',
    handler: (request) => {
      if (request.header('Authorization') !== `Bearer ${token}`) throw new Error('Authorization not detected!')
      return 'bench'
    },
  }),
)
const server = app.listen(0, '127.0.0.1', () => say(server, { base: '/scim', token }))
