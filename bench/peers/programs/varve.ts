import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Program } from './program.js';

const PROJECT = new URL('../../../../', import.meta.url);
export const VARVE_MAIN = fileURLToPath(new URL('build/src/cli/main.js', PROJECT));

export function varve(): Program {
  const { version } = JSON.parse(readFileSync(new URL('package.json', PROJECT), 'utf8')) as { version: string };
  const argv = [process.execPath, VARVE_MAIN];
  return {
    name: 'varve',
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
  };
}
