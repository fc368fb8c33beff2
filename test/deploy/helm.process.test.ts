import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Deployment } from 'kubernetes-types/apps/v1.d.ts'
import type { Container, PodSpec, Secret, Service } from 'kubernetes-types/core/v1.d.ts'
import type { Ingress, NetworkPolicy } from 'kubernetes-types/networking/v1.d.ts'
import { describe, expect, onTestFinished, test } from 'vitest'
import { loadServingConfig } from '../../src/config/production.ts'
import { DEFAULTS } from '../../src/config.ts'
import { built } from '../support/built.ts'
import { type Child, freePort, runNode } from '../support/children.ts'
import { blocksOf, ROOT } from '../support/documents.ts'
import { CHART, findHelm, linted, type Manifest, rendered } from '../support/helm.ts'
import { image } from '../support/image.ts'
import { startPostgres } from '../support/postgres-server.ts'
import { typeFaults } from '../support/typed.ts'

const program = findHelm()
const without = program === undefined ? ' (skipped: there is no helm)' : ''
const helm = program ?? ''
const examples = readdirSync(join(CHART, 'examples'))
const SMALL = ['small.yaml']

/** The module of `kubernetes-types` that has a kind. */
const MODULES: Readonly<Record<string, string>> = {
  'apps/v1': 'apps/v1',
  'autoscaling/v2': 'autoscaling/v2',
  'networking.k8s.io/v1': 'networking/v1',
  'policy/v1': 'policy/v1',
  v1: 'core/v1',
}

/** What the chart's own Secret or that of the operator gives to the container. */
const SECRETS: Readonly<Record<string, string>> = {
  DATABASE_URL: 'postgres://rollcall@127.0.0.1:5432/rollcall',
  SECRETS_KEY: 'a-key-that-seals-what-is-secret-in-this-test',
  ADMIN_KEY: 'the-key-of-the-operator-of-this-test',
}

const find = <T>(manifests: readonly Manifest[], kind: string): T | undefined =>
  manifests.find((manifest) => manifest.kind === kind) as T | undefined

function podOf(manifests: readonly Manifest[]): PodSpec & { readonly container: Container } {
  const pod = find<Deployment>(manifests, 'Deployment')?.spec?.template.spec
  const container = pod?.containers[0]
  if (pod === undefined || container === undefined) throw new Error('there is no pod')
  return { ...pod, container }
}

/** Every variable that the container has: the image's, the Secret's, and its own, which win. */
function envOf({ container }: { readonly container: Container }): Record<string, string> {
  const own = (container.env ?? []).map(({ name, value = '' }) => [name, value])
  return { ...image.env, ...SECRETS, ...Object.fromEntries(own) }
}

/** What Kubernetes' own types do not allow in manifests. */
const faultsOf = (manifests: readonly Manifest[]): string =>
  typeFaults(
    manifests.flatMap((value) => {
      const module = MODULES[value.apiVersion]
      return module === undefined ? [] : [{ type: value.kind, from: `kubernetes-types/${module}`, value }]
    }),
  )

describe.skipIf(program === undefined)(`the Helm chart${without}`, () => {
  describe.each(examples)('with examples/%s', (file) => {
    const manifests = program === undefined ? [] : rendered(helm, [file])
    const pod = () => podOf(manifests)

    test('Helm finds no fault', () => {
      expect(linted(helm, [file])).toBe('')
    })

    test('every manifest has the members that Kubernetes knows, and no others', () => {
      expect(faultsOf(manifests)).toBe('')
      const others = manifests.filter(({ apiVersion }) => !(apiVersion in MODULES)).map(({ kind }) => kind)
      expect(others).toEqual(file === 'production.yaml' ? ['PodMonitor'] : [])
    })

    test('the container is not root, writes to its folder for temporary files alone, and has no privilege or token', () => {
      const { container, securityContext, automountServiceAccountToken, volumes } = pod()
      expect(securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } })
      expect(container.securityContext).toEqual({
        ...{ allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } },
      })
      expect(automountServiceAccountToken).toBe(false)
      expect(container.volumeMounts).toEqual([{ name: 'tmp', mountPath: '/tmp' }])
      expect(volumes?.[0]?.emptyDir).toBeDefined()
    })

    test('its variables start a gateway in production, and each of them is one', () => {
      const env = envOf(pod())
      expect(Object.keys(env).filter((name) => !(name in DEFAULTS))).toEqual([])
      expect(loadServingConfig(env)).toMatchObject({ production: true, host: '0.0.0.0', port: 8080 })
      expect(pod().container.ports?.[0]).toEqual({ name: 'http', containerPort: 8080 })
    })

    test('Kubernetes waits until the gateway has ended by itself', () => {
      const { drainDelayMs } = loadServingConfig(envOf(pod()))
      const { terminationGracePeriodSeconds = 30, container } = pod()
      // The gateway ends within 29 seconds of the signal: src/start.ts.
      expect(terminationGracePeriodSeconds).toBeGreaterThan(29)
      expect(drainDelayMs).toBeGreaterThanOrEqual(10_000)
      // A failed check more than that, and the pod is out of the rotation.
      const { periodSeconds = 10, failureThreshold = 3 } = container.readinessProbe ?? {}
      expect(periodSeconds * failureThreshold * 1_000).toBeLessThan(drainDelayMs)
    })

    test('no pod goes before a new one is ready, and at least two serve', () => {
      const { replicas, strategy } = find<Deployment>(manifests, 'Deployment')?.spec ?? {}
      const scaler = find<{ spec: { minReplicas: number } }>(manifests, 'HorizontalPodAutoscaler')
      expect(strategy?.rollingUpdate).toEqual({ maxUnavailable: 0, maxSurge: 1 })
      expect(replicas ?? scaler?.spec.minReplicas).toBeGreaterThanOrEqual(2)
      // A number there would be set again by each upgrade, whatever the load is.
      expect(replicas === undefined).toBe(scaler !== undefined)
      expect(find(manifests, 'PodDisruptionBudget')).toBeDefined()
    })

    test('the memory limit leaves the gateway room beside what requests may hold', () => {
      expect(pod().container.resources?.limits?.memory).toBe('1Gi')
      expect(pod().container.resources?.limits?.cpu).toBeUndefined()
    })

    test('service, budget and policy choose the pods of the deployment', () => {
      const labels = find<Deployment>(manifests, 'Deployment')?.spec?.template.metadata?.labels
      const selectors = [
        find<Service>(manifests, 'Service')?.spec?.selector,
        find<Deployment>(manifests, 'Deployment')?.spec?.selector.matchLabels,
        find<NetworkPolicy>(manifests, 'NetworkPolicy')?.spec?.podSelector?.matchLabels,
      ]
      for (const selector of selectors.filter((one) => one !== undefined)) expect(labels).toMatchObject(selector)
      expect(find<Service>(manifests, 'Service')?.spec?.ports?.[0]?.targetPort).toBe('http')
    })
  })

  test('a member that Kubernetes does not know would be found', () => {
    const [first, ...rest] = rendered(helm, SMALL).filter(({ kind }) => kind === 'Deployment')
    expect(faultsOf([{ ...(first as Manifest), spec: { ...(first?.spec as object), replica: 3 } }, ...rest])).toMatch(
      /replica.*does not exist/,
    )
  })

  test('the chart makes the Secret where there is none, and a changed one replaces the pods', () => {
    const secret = find<Secret>(rendered(helm, SMALL), 'Secret')
    expect(Object.keys(secret?.stringData ?? {})).toEqual(Object.keys(SECRETS))
    expect(podOf(rendered(helm, SMALL)).container.envFrom?.[0]?.secretRef?.name).toBe(secret?.metadata?.name)
    const annotations = (...set: readonly string[]) =>
      find<Deployment>(rendered(helm, SMALL, ...set), 'Deployment')?.spec?.template.metadata?.annotations
    expect(annotations('secret.adminKey=another-key-of-the-operator')).not.toEqual(annotations())
    const own = rendered(helm, SMALL, 'secret.existingSecret=mine')
    expect(find(own, 'Secret')).toBeUndefined()
    expect(podOf(own).container.envFrom?.[0]?.secretRef?.name).toBe('mine')
  })

  test('the ingress has the hosts of the public URLs, without their ports, or those that are named', () => {
    const hosts = (...set: readonly string[]) =>
      find<Ingress>(rendered(helm, SMALL, 'ingress.enabled=true', ...set), 'Ingress')?.spec?.rules?.map(
        ({ host }) => host,
      )
    expect(hosts('publicUrl=https://a.example:8443\\, https://b.example')).toEqual(['a.example', 'b.example'])
    expect(hosts('ingress.hosts={c.example}')).toEqual(['c.example'])
  })

  test('the values of the page are ones that Helm takes, and give the release the name that the page uses', () => {
    const page = readFileSync(join(ROOT, 'docs/deploy/kubernetes.md'), 'utf8')
    const folder = mkdtempSync(join(tmpdir(), 'rollcall-values-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const file = join(folder, 'values.yaml')
    writeFileSync(file, blocksOf(page, 'yaml values').join('\n'))
    const deployment = find<Deployment>(rendered(helm, [file]), 'Deployment')
    expect(page).toContain(`deployment/${deployment?.metadata?.name}`)
    expect(page).toContain('helm upgrade --install scim deploy/helm/rollcall ')
    const literals = [...page.matchAll(/--from-literal=(\w+)=/g)].map(([, name]) => name)
    expect(literals).toEqual(Object.keys(SECRETS))
  })

  test('OpenShift chooses the account', () => {
    const context = podOf(rendered(helm, ['openshift.yaml'])).securityContext
    expect(Object.keys(context ?? {}).sort()).toEqual(['runAsNonRoot', 'seccompProfile'])
  })

  test.each([
    ['no public URL', 'publicUrl='],
    ['a public URL with a path', 'publicUrl=https://scim.example.com/scim'],
    ['nothing about proxies', 'trustProxy='],
    ['no database', 'secret.databaseUrl='],
    ['a short secrets key', 'secret.secretsKey=short'],
    ['a short admin key', 'secret.adminKey=short'],
    ['a value that the chart does not have', 'replicaCount=3'],
    ['a variable that the chart sets', 'settings.PORT=9000'],
    ['a secret among the settings', 'settings.METRICS_KEY=a-secret-of-twenty-letters'],
    ['a secret of sign-in among the settings', 'settings.CONSOLE_OIDC_CLIENT_SECRET=a-secret'],
    ['a drain longer than the gateway takes', 'drainDelayMs=25000'],
    ['a digest that is none', 'image.digest=sha256:abc'],
  ])('is refused: %s', (_, set) => {
    expect(() => rendered(helm, SMALL, set)).toThrow(/schema/)
  })

  // It starts a PostgreSQL of its own, which SKIP_POSTGRES leaves out.
  test.skipIf(process.env.SKIP_POSTGRES === '1')(
    'its pods take turns at the tables, answer their probes, and drain',
    async () => {
      const server = await startPostgres()
      onTestFinished(() => server.stop())
      const pods = [podOf(rendered(helm, SMALL)), podOf(rendered(helm, SMALL))]
      const started = await Promise.all(pods.map((pod) => startPod(pod, server.url)))
      for (const { probe, gateway } of started) {
        await expect.poll(() => probe('startupProbe')).toBe(200)
        await gateway.says('Rollcall is running')
        expect(await probe('livenessProbe')).toBe(200)
        await expect.poll(() => probe('readinessProbe')).toBe(200)
      }
      const [first, second] = started
      first?.gateway.process.kill('SIGTERM')
      await expect.poll(() => first?.probe('readinessProbe'), { interval: 20 }).toBe(503)
      expect(await first?.probe('livenessProbe')).toBe(200)
      expect(await second?.probe('readinessProbe')).toBe(200)
      expect(await first?.gateway.ended()).toBe(0)
    },
  )
})

type Probe = 'startupProbe' | 'livenessProbe' | 'readinessProbe'

/** Runs what the pod would run, on a port of its own, as the kubelet does. */
async function startPod(
  pod: ReturnType<typeof podOf>,
  databaseUrl: string,
): Promise<{ readonly gateway: Child; probe(name: Probe): Promise<number> }> {
  const folder = mkdtempSync(join(tmpdir(), 'rollcall-pod-'))
  const port = await freePort()
  const own = { HOST: '127.0.0.1', PORT: String(port), DATABASE_URL: databaseUrl, DATA_DIR: folder }
  const [, ...args] = image.command
  const command = args.map((arg) => (arg === 'dist/main.js' ? built.main() : arg))
  const gateway = runNode('the pod', command, { ...envOf(pod), ...own, LOG_LEVEL: 'warn' })
  onTestFinished(async () => {
    gateway.process.kill('SIGKILL')
    await gateway.ended()
    rmSync(folder, { recursive: true })
  })
  return {
    gateway,
    probe: (name) =>
      fetch(`http://127.0.0.1:${port}${pod.container[name]?.httpGet?.path}`).then(
        ({ status }) => status,
        () => 0,
      ),
  }
}
