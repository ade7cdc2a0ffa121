import { readFileSync } from 'node:fs';
import type { Program } from './program.js';

export function kopia(name: string, command: string, version: string): Program {
  return {
    name,
    version,
    note: 'does not compress unless a policy says so; hard links become files, which is not held against it',
    losesHardLinks: true,
    environment: ({ password, home }) => ({
      KOPIA_PASSWORD: readFileSync(password, 'utf8').trim(),
      KOPIA_CONFIG_PATH: `${home}/repository.config`,
      KOPIA_CACHE_DIRECTORY: `${home}/cache`,
      KOPIA_LOG_DIR: `${home}/log`,
      KOPIA_CHECK_FOR_UPDATES: 'false',
    }),
    init: ({ repository }) => [{ argv: [command, 'repository', 'create', 'filesystem', '--path', repository] }],
    backup: (_, source) => ({ argv: [command, 'snapshot', 'create', '--no-progress', source] }),
    restore: (_, source, _label, target) => ({
      argv: [command, 'restore', '--no-progress', '--snapshot-time', 'latest', source, target],
    }),
    restored: (_, target) => target,
  };
}
