import type { BannerFacts } from '../../src/banner.ts'

/** What the banner tells at a first start on the embedded database. */
export const FIRST_START: BannerFacts = {
  origin: 'http://localhost:8080',
  project: 'default',
  environment: 'dev',
  tenant: 'main',
  apiKey: 'rck_api',
  adminKey: 'rck_admin',
  keysExpireAt: new Date('2027-11-25T10:00:00Z'),
  keysFile: undefined,
  adminKeyConfigured: false,
  databaseUrl: undefined,
  dataDir: './data',
}
