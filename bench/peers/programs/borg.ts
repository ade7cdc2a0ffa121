import { readFileSync } from 'node:fs';
import type { Place, Program } from './program.js';

const environment = ({ password, home }: Place): Record<string, string> => ({
  BORG_BASE_DIR: home,
  BORG_PASSCOMMAND: `cat ${password}`,
});

/** As borg's manual advises: SHA-256 where the processor has instructions for it, else BLAKE2. */
function encryption(): string {
  return /\b(sha_ni|sha2)\b/.test(readFileSync('/proc/cpuinfo', 'utf8')) ? 'repokey' : 'repokey-blake2';
}

/** borg 1.x. */
export function borg(name: string, command: string, version: string): Program {
  const mode = encryption();
  return {
    name,
    version,
    note: `encryption ${mode}`,
    environment,
    init: ({ repository }) => [{ argv: [command, 'init', '-e', mode, repository] }],
    backup: ({ repository }, source, label) => ({ argv: [command, 'create', `${repository}::${label}`, source] }),
    restore: ({ repository }, _source, label, target) => ({
      argv: [command, 'extract', `${repository}::${label}`],
      directory: target,
    }),
    restored: (source, target) => target + source,
  };
}

/** borg 2, which has other repositories and other commands. */
export function borg2(name: string, command: string, version: string): Program {
  const mode = 'aes256-ocb';
  return {
    name,
    version,
    note: `encryption ${mode}`,
    environment: (place) => ({ ...environment(place), BORG_REPO: place.repository }),
    init: () => [{ argv: [command, 'repo-create', '-e', mode] }],
    backup: (_, source, label) => ({ argv: [command, 'create', label, source] }),
    restore: (_, _source, label, target) => ({ argv: [command, 'extract', label], directory: target }),
    restored: (source, target) => target + source,
  };
}
