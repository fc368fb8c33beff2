import {
  type EnvironmentSettings,
  effectiveSettings,
  type Settings,
  type TenantSettings,
} from '../../../../tenancy/settings.ts'
import { Badge, Card, Table } from '../../parts.tsx'
import { inWords } from './fields.tsx'

type Name = keyof Settings

/** The settings in force, and where each comes from: what was set first, and the defaults behind a fold. */
export function SettingsCard({ environment, tenant }: { environment: EnvironmentSettings; tenant?: TenantSettings }) {
  const inForce = effectiveSettings(environment, tenant)
  const rows = (Object.keys(inForce) as Name[]).map((name) => ({
    name,
    value: inForce[name],
    from: sourceOf(name, environment, tenant),
  }))
  const set = rows.filter(({ from }) => from !== 'default')
  const defaults = rows.filter(({ from }) => from === 'default')
  return (
    <Card title="Settings in force">
      {set.length === 0 ? (
        <p class="quiet">All are at their defaults.</p>
      ) : (
        <Rows rows={set} label="Settings that were set" />
      )}
      <details class="more">
        <summary>{defaults.length} at their defaults</summary>
        <Rows rows={defaults} label="Settings at their defaults" />
      </details>
    </Card>
  )
}

type Row = { readonly name: Name; readonly value: unknown; readonly from: string }

function Rows({ rows, label }: { rows: readonly Row[]; label: string }) {
  return (
    <Table head={['Setting', 'Value', 'From']} label={label}>
      {rows.map(({ name, value, from }) => (
        <tr>
          <td>
            <code>{name}</code>
          </td>
          <td class="long">{inWords(value)}</td>
          <td>{from === 'default' ? <span class="quiet">default</span> : <Badge>{from}</Badge>}</td>
        </tr>
      ))}
    </Table>
  )
}

function sourceOf(name: Name, environment: EnvironmentSettings, tenant: TenantSettings = {}): string {
  if (tenant[name as keyof TenantSettings] !== undefined) return 'tenant'
  return environment[name] === undefined ? 'default' : 'environment'
}
