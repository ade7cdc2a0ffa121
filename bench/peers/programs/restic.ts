import type { Program } from './program.js';

/** restic of any version from 0.14 on. */
export function restic(name: string, command: string, version: string): Program {
  return {
    name,
    version,
    environment: ({ repository, password, home }) => ({
      RESTIC_REPOSITORY: repository,
      RESTIC_PASSWORD_FILE: password,
      RESTIC_CACHE_DIR: `${home}/cache`,
    }),
    init: () => [{ argv: [command, 'init', '-q', '--repository-version', '2'] }],
    backup: (_, source) => ({ argv: [command, 'backup', '-q', source] }),
    restore: (_, _source, _label, target) => ({ argv: [command, 'restore', '-q', 'latest', '--target', target] }),
    restored: (source, target) => target + source,
    mount: (_, mountpoint) => ({ argv: [command, 'mount', '-q', mountpoint] }),
    upkeep: {
      forget: (_, keep) => ({ argv: [command, 'forget', '-q', '--keep-last', String(keep)] }),
      prune: () => ({ argv: [command, 'prune', '-q'] }),
      check: () => ({ argv: [command, 'check', '-q', '--read-data'] }),
    },
  };
}

/** rustic, which uses restic's format. */
export function rustic(name: string, command: string, version: string): Program {
  return {
    name,
    version,
    environment: ({ repository, password, home }) => ({
      RUSTIC_REPOSITORY: repository,
      RUSTIC_PASSWORD_FILE: password,
      RUSTIC_CACHE_DIR: `${home}/cache`,
      RUSTIC_NO_PROGRESS: 'true',
    }),
    init: () => [{ argv: [command, 'init'] }],
    backup: (_, source) => ({ argv: [command, 'backup', source] }),
    restore: (_, source, _label, target) => ({ argv: [command, 'restore', `latest:${source}`, target] }),
    restored: (_, target) => target,
    upkeep: {
      forget: (_, keep) => ({ argv: [command, 'forget', '--keep-last', String(keep)] }),
      prune: () => ({ argv: [command, 'prune', '--instant-delete', '--keep-delete', '0s', '--keep-pack', '0s'] }),
      check: () => ({ argv: [command, 'check', '--read-data'] }),
    },
  };
}
