import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Program } from './program.js';

const PROJECT = new URL('../../../../', import.meta.url);
export const VARVE_MAIN = mainOf(fileURLToPath(PROJECT));

export const varve = (): Program => varveOf('varve');

/** A build of varve, by default this one. */
export function varveOf(name: string, checkout = fileURLToPath(PROJECT)): Program {
  const { version } = JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8')) as { version: string };
  const argv = [process.execPath, mainOf(checkout)];
  return {
    name,
    version,
    environment: ({ repository, password, home }) => ({
      VARVE_REPOSITORY: repository,
      VARVE_PASSWORD_FILE: password,
      VARVE_CACHE_DIR: `${home}/cache`,
    }),
    init: () => [{ argv: [...argv, 'init'] }],
    backup: (_, source) => ({ argv: [...argv, 'backup', '-q', source] }),
    restore: (_, _source, _label, target) => ({ argv: [...argv, 'restore', '-q', 'latest', '--target', target] }),
    restored: (source, target) => target + source,
    mount: (_, mountpoint) => ({ argv: [...argv, 'mount', '-q', mountpoint] }),
    upkeep: {
      forget: (_, keep) => ({ argv: [...argv, 'forget', '-q', '--keep-last', String(keep)] }),
      prune: () => ({ argv: [...argv, 'prune', '-q', '--grace', '0'] }),
      check: () => ({ argv: [...argv, 'check', '-q', '--read-data'] }),
    },
  };
}

/** A checkout that is older than the bundle has only the modules. */
function mainOf(checkout: string): string {
  const bundle = join(checkout, 'build/varve.cjs');
  return existsSync(bundle) ? bundle : join(checkout, 'build/src/cli/main.js');
}
