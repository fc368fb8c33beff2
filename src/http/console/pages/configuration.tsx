import type { Setting } from '../../../config/in-force.ts'
import { VERSION } from '../../../package.ts'
import { databaseInForce } from '../../admin/configuration.ts'
import { placeNamed } from '../../control/places.ts'
import type { ConsoleApp } from '../env.ts'
import { OVERVIEW } from '../here.ts'
import { Badge, Card, Table } from '../parts.tsx'
import { inWords } from './place/fields.tsx'

/** `/configuration`: what is in force on the instance that answers, for those who reach all of it. Never a secret. */
export function configurationPage(app: ConsoleApp, settings: readonly Setting[]): void {
  app.get('/configuration', async (c) => {
    await placeNamed(c.var, {})
    const database = await databaseInForce(c.var.database)
    const set = settings.filter(({ source }) => source !== 'default')
    const defaults = settings.filter(({ source }) => source === 'default')
    return c.render(
      <>
        <div class="head">
          <h1>Configuration</h1>
          <p class="quiet">Rollcall {VERSION}, on the instance that made this page.</p>
        </div>
        <Card title="Database">
          <dl class="facts">
            {Object.entries(database).map(([name, value]) => (
              <>
                <dt>{name}</dt>
                <dd>{inWords(value ?? 'none')}</dd>
              </>
            ))}
          </dl>
        </Card>
        <Card title="Variables">
          <Rows settings={set} label="Variables that are set or derived" />
          <details class="more">
            <summary>{defaults.length} at their defaults</summary>
            <Rows settings={defaults} label="Variables at their defaults" />
          </details>
        </Card>
      </>,
      { title: 'Configuration', crumbs: [OVERVIEW] },
    )
  })
}

function Rows({ settings, label }: { settings: readonly Setting[]; label: string }) {
  return (
    <Table head={['Variable', 'Value', 'From']} label={label}>
      {settings.map(({ name, value, source }) => (
        <tr>
          <td>
            <code>{name}</code>
          </td>
          <td class="long">{value ?? <span class="quiet">none</span>}</td>
          <td>{source === 'default' ? <span class="quiet">default</span> : <Badge>{source}</Badge>}</td>
        </tr>
      ))}
    </Table>
  )
}
