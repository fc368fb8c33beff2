import { mintedSecrets } from './minted-secret.ts'

/** Set-up links end in a secret that begins with `rsl`. For secret scanners: `rsl_[0-9A-Za-z]{12}_[0-9A-Za-z]{38}`. */
export const SETUP_LINKS = mintedSecrets('rsl')
